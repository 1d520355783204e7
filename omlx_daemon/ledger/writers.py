"""The verbs of those who write blocks. None of them raises for what the disk does."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from errno import EEXIST, EISDIR, ELOOP, ENOTDIR

from omlx_daemon.coldstore.files import look_at
from omlx_daemon.coldstore.layout import NAMESPACE_FILE, QUARANTINE, is_fingerprint
from omlx_daemon.coldstore.names import PARENT_BYTES, is_block
from omlx_daemon.ledger.eviction import Victim
from omlx_daemon.ledger.policy import UNLIMITED, Reason, Refusal, WritePolicy
from omlx_daemon.ledger.space import Space
from omlx_daemon.ledger.upkeep import Upkeep

_ONE_BLOCKS_LOSS = (EEXIST, ENOTDIR, EISDIR, ELOOP)


class Writers(Upkeep):
    """Reserve, write, report. An owner is one writing process, by a name of the caller's choice."""

    def attach(self, owner: str, namespace: str, model: str, details: Mapping[str, str]) -> bool:
        """Make a namespace ready for `owner`; return whether it can be written now.

        `namespace` is the fingerprint in lower-case hex digits (ValueError for anything else), `details` what it
        covers, for people.
        """
        with self._session("making a namespace"):
            space = self._book.open(namespace)
            space.attach(owner)
            space.model = model
            space.details = dict(details)
            self._prepare(space)
        return not self._health.degraded

    def reserve(self, owner: str, namespace: str, count_bytes: int, *, files: int = 1, parent: bytes = b"") -> int:
        """Set bytes aside for files of `count_bytes` together and make room for them; return `count_bytes`, or 0.

        `parent` is the hash of the block that the first of them continues: room is never made by removing it or
        what comes before it. What is not written is to be given back. `refusal` tells why it was 0.
        """
        refused: Refusal | None = Refusal.DEGRADED
        with self._session("making room"):
            self._see_to_the_disk()
            if not self._health.degraded:
                refused = self._admit(owner, namespace, count_bytes, files, parent[:PARENT_BYTES].hex())
        if refused is None:
            self._refused.pop(owner, None)
            return count_bytes
        self._refused[owner] = refused
        self._refusals[refused] += 1
        return 0

    def refusal(self, owner: str) -> Refusal | None:
        """Return why the owner's last reservation was refused, or None where it was granted."""
        return self._refused.get(owner)

    def give_back(self, owner: str, namespace: str, count_bytes: int, *, files: int = 1) -> None:
        """Return bytes that were reserved and will not be written."""
        with self._session("giving back"):
            if space := self._book.get(namespace):
                space.settle(owner, count_bytes + files * self._disk.per_file_bytes)

    def stored(self, owner: str, namespace: str, filename: str, count_bytes: int) -> None:
        """Enter a block that lies in its place now, `count_bytes` of its reservation being spent."""
        with self._session("entering a block"):
            if not is_fingerprint(namespace) or not is_block(filename):
                return
            space = self._book.open(namespace)
            space.settle(owner, count_bytes + self._disk.per_file_bytes)
            if filename in space.blocks.index:
                space.blocks.index.touch([filename], self._now_ns())
            elif self._enter(space, filename):
                self._health.proven()
                self._budget.add(count_bytes)
                self._room.make(space, 0)

    def release(self, owner: str, *, pid: int | None = None) -> None:
        """Forget a writer that is gone: its reservations, the temporaries of its process `pid`, and of the dead."""
        with self._session("releasing a writer"):
            self._refused.pop(owner, None)
            spaces = [space for space in self._book if space.detach(owner)]
        for space in spaces:
            self._rescan(space, pid)

    def touched(self, namespace: str, filenames: Iterable[str]) -> None:
        """Note that blocks were used: all token parts of a chain, and of its checkpoints the one it began from."""
        with self._session("touching"):
            if space := self._book.get(namespace):
                space.blocks.index.touch(filenames, self._now_ns())

    def missing(self, namespace: str, filenames: Iterable[str]) -> None:
        """Strike out blocks that were looked for and not found."""
        with self._session("striking out"):
            if space := self._book.get(namespace):
                for filename in filenames:
                    self._strike(space, filename)

    def quarantined(self, namespace: str, filenames: Iterable[str]) -> None:
        """Note that damaged blocks were put aside."""
        with self._session("noting quarantine"):
            if space := self._book.get(namespace):
                for filename in filenames:
                    self._note_quarantine(space, filename)

    def failed(self, owner: str, error: OSError) -> None:
        """Note that a writer met a failing disk: nothing is granted until a trial succeeds.

        Something foreign in one block's place is that block's loss alone.
        """
        if error.errno not in _ONE_BLOCKS_LOSS:
            with self._lock:
                self._health.failed("writing a block", error)

    def discard(self, namespace: str, filenames: Iterable[str]) -> int:
        """Remove blocks that their writer wants no more, pinned ones left; return how many went."""
        gone: list[Victim] = []
        with self._session("discarding"):
            if space := self._book.get(namespace):
                index = space.blocks.index
                found = [record for filename in filenames if (record := index.get(filename))]
                free = [Victim(space, space.blocks, record) for record in found if not index.is_pinned(record)]
                gone = self._evictor.take(free, Reason.DISCARD)
        return len(gone)

    def admit(self, namespace: str, hashes: Sequence[bytes]) -> list[bool]:
        """Return for each block whether the write policy wants it written now."""
        if self.policy.write_policy is WritePolicy.ALL:
            return [True] * len(hashes)
        with self._lock:
            return [self._seen.again(namespace.encode() + digest) for digest in hashes]

    def _prepare(self, space: Space) -> None:
        self._disk.layout.create_namespace(space.name, space.model, space.details)
        if seen := look_at(space.directory, NAMESPACE_FILE):
            space.note_description(seen[0].disk_bytes)
            space.note_directory("", seen[1])

    def _admit(self, owner: str, namespace: str, count_bytes: int, files: int, parent: str) -> Refusal | None:
        if not is_fingerprint(namespace) or count_bytes <= 0 or files <= 0:
            return Refusal.INVALID
        pending_bytes = self._book.reserved_bytes
        if self.policy.write_budget_bytes_per_day < UNLIMITED:
            left_bytes = self.policy.write_budget_bytes_per_day - self._budget.today_bytes - pending_bytes
            if count_bytes > left_bytes:
                return Refusal.BUDGET
        space = self._book.open(namespace)
        cost_bytes = count_bytes + files * self._disk.per_file_bytes
        with space.blocks.index.held(parent):
            refused = self._room.make(space, cost_bytes)
        if refused is None:
            space.promise(owner, cost_bytes)
        return refused

    def _enter(self, space: Space, filename: str) -> bool:
        seen = look_at(space.directory, space.blocks.path(filename))
        if seen is not None:
            space.blocks.index.add(seen[0], self._now_ns())
            space.note_directory(filename[:2], seen[1])
        return seen is not None

    def _strike(self, space: Space, filename: str) -> None:
        if filename in space.blocks.index and look_at(space.directory, space.blocks.path(filename)) is None:
            space.blocks.index.drop(filename)

    def _note_quarantine(self, space: Space, filename: str) -> None:
        self._strike(space, filename)
        if is_block(filename) and (seen := look_at(space.directory, space.quarantined.path(filename))):
            space.quarantined.index.add(seen[0], self._now_ns())
            space.note_directory(QUARANTINE, seen[1])
