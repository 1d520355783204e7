"""The verbs of the cache commands."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator
from contextlib import suppress

from omlx_cli.contract import storage
from omlx_cli.contract.cache import CacheList, CachePins, CacheStats, PruneReport, VerifyReport
from omlx_cli.contract.errors import Code, ErrorBody, OmlxError
from omlx_daemon.coldstore import blockfile, names
from omlx_daemon.ledger import report
from omlx_daemon.ledger.audit import Audit, Candidate, Finding, Progress
from omlx_daemon.ledger.eviction import BATCH_FILES, Victim
from omlx_daemon.ledger.figures import ColdFigures
from omlx_daemon.ledger.pins import Pin, check_label
from omlx_daemon.ledger.policy import UNLIMITED, Reason
from omlx_daemon.ledger.prune import Criteria, plan
from omlx_daemon.ledger.space import Space
from omlx_daemon.ledger.writers import Writers

_LIMITS = (Reason.QUOTA, Reason.FLOOR, Reason.SHARE, Reason.AGE)
"""Why files are evicted; for all else they go by command."""


class Administration(Writers):
    """Look, prune, verify, pin."""

    def rows(self, current: Collection[str] | None = None) -> CacheList:
        """Return every namespace, largest first; `current` are the fingerprints of the models that are here."""
        with self._lock:
            rows = [report.row(space, current) for space in self._book]
        return CacheList(namespaces=tuple(sorted(rows, key=lambda row: (-row.size_bytes, row.namespace))))

    def files(self, namespace: str) -> tuple[tuple[str, int], ...]:
        """Return the names and sizes in bytes of a namespace's blocks, the least recently used first."""
        with self._lock:
            space = self._book.get(namespace)
            records = sorted(space.blocks.index, key=lambda record: record.recency_ns) if space else ()
            return tuple((record.filename, record.size_bytes) for record in records)

    def totals(self) -> tuple[int, int]:
        """Return the bytes on disk, and the files that limits removed since the start; quick enough for every write."""
        with self._lock:
            return self._book.used_bytes, self._evicted()

    def figures(self) -> ColdFigures:
        """Return the figures of now; asks the file system once, and reads no directory."""
        free_bytes = 0
        with suppress(OSError):
            free_bytes = self._disk.free_bytes()
        with self._lock:
            spaces = [space for space in self._book if space.current]
            return ColdFigures(
                used_bytes=self._book.used_bytes,
                quota_bytes=_limit(self.policy.quota_bytes),
                blocks=sum(len(space.blocks.index) for space in spaces),
                evictions=self._evicted(),
                quarantined=sum(len(space.quarantined.index) for space in spaces),
                free_bytes=free_bytes,
                min_free_bytes=self.policy.min_free_bytes,
                written_bytes=self._budget.total_bytes,
                written_today_bytes=self._budget.today_bytes,
                write_budget_bytes=_limit(self.policy.write_budget_bytes_per_day),
                degraded=self._health.reason,
            )

    def stats(self, current: Collection[str] | None = None) -> CacheStats:
        """Return the books."""
        rows = self.rows(current).namespaces
        free_bytes = 0
        with suppress(OSError):
            free_bytes = self._disk.free_bytes()
        with self._lock:
            spaces = list(self._book)
            ours = [space for space in spaces if space.current]
            policy = self.policy
            return CacheStats(
                path=str(self._disk.layout.root),
                state="degraded" if self._health.degraded else "ok",
                reason=self._health.reason,
                quota_bytes=_limit(policy.quota_bytes),
                used_bytes=self._book.used_bytes,
                reserved_bytes=self._book.reserved_bytes,
                free_bytes=free_bytes,
                min_free_bytes=policy.min_free_bytes,
                blocks=sum(len(space.blocks.index) for space in ours),
                block_bytes=sum(space.blocks.index.disk_bytes for space in ours),
                pins=len(self._pins),
                pinned_bytes=sum(row.pinned_bytes for row in rows),
                temporary_bytes=sum(space.temporary_bytes for space in spaces),
                quarantined_files=sum(len(space.quarantined.index) for space in spaces),
                quarantined_bytes=sum(space.quarantined.index.disk_bytes for space in spaces),
                foreign_files=self._book.foreign.files + sum(space.foreign.files for space in spaces),
                foreign_bytes=self._book.foreign.disk_bytes + sum(space.foreign.disk_bytes for space in spaces),
                symlinks=sum(space.symlinks for space in spaces),
                unreadable=self._book.unreadable + sum(space.unreadable for space in spaces),
                other_version_bytes=sum(space.used_bytes for space in spaces if not space.current),
                overhead_bytes=self._book.own_bytes + sum(space.overhead_bytes for space in spaces),
                evictions={reason.value: count for reason, count in sorted(self._evictor.counts.items())},
                evicted_bytes=self._evictor.removed_bytes,
                refusals={refusal.value: count for refusal, count in sorted(self._refusals.items())},
                written_bytes=self._budget.total_bytes,
                written_today_bytes=self._budget.today_bytes,
                write_budget_bytes=_limit(policy.write_budget_bytes_per_day),
                namespaces=rows,
            )

    def prune(self, criteria: Criteria, *, dry_run: bool = False) -> PruneReport:
        """Remove what `criteria` take, in batches between which writers get their turn."""
        return self._sweep(criteria, Reason.PRUNE, dry_run)

    def clear(self, *, model: str | None = None, pinned: bool = False) -> PruneReport:
        """Remove every block, of one model where told, quarantine and other formats too; pinned blocks where told."""
        return self._sweep(Criteria(model=model, pinned=pinned), Reason.CLEAR, False)

    def verify(self, sample: int | None = None, progress: Progress | None = None) -> VerifyReport:
        """Read blocks, all or `sample` at random, and put the damaged into quarantine."""
        with self._lock:
            candidates = list(self._candidates())
        return Audit(self._on_bad).run(candidates, sample, progress)

    def pin(self, label: str, namespace: str, hashes: Iterable[bytes]) -> None:
        """Keep blocks, by their 32-byte hashes, until they are unpinned; a label that is taken moves to these.

        Blocks that are not stored yet count as large as the namespace's others. Raises OmlxError where all pins
        together are over the quota, or cannot be written down.
        """
        pin = Pin(namespace, tuple(dict.fromkeys(hashes)), report.timestamp(self._now_ns()))
        with self._lock:
            self._check_pin(label, pin)
            try:
                self._pins.put(label, pin)
            except OSError as error:
                raise _unsaved(error) from error
            self._apply_pins()

    def unpin(self, label: str) -> bool:
        """Let blocks go with the others again; return whether there was such a pin. Raises OmlxError."""
        with self._lock:
            try:
                found = self._pins.take(label)
            except OSError as error:
                raise _unsaved(error) from error
            self._apply_pins()
        return found is not None

    def pinned_hashes(self, namespace: str) -> tuple[bytes, ...]:
        """Return the hashes of all blocks that are pinned in a namespace."""
        with self._lock:
            return tuple(digest for _, pin in self._pins.items() if pin.namespace == namespace for digest in pin.hashes)

    def pinned(self, label: str) -> Pin | None:
        """Return a pin, None where there is none of this label."""
        with self._lock:
            return self._pins.get(label)

    def pins(self) -> CachePins:
        """Return every pin."""
        with self._lock:
            rows = [report.pin_row(label, pin, self._book.get(pin.namespace)) for label, pin in self._pins.items()]
        return CachePins(pins=tuple(rows))

    def _evicted(self) -> int:
        return sum(self._evictor.counts[reason] for reason in _LIMITS)

    def _sweep(self, criteria: Criteria, reason: Reason, dry_run: bool) -> PruneReport:
        with self._lock:
            planned = plan(self._book, criteria, self._clock())
        if dry_run:
            return report.pruned(planned.victims, planned.kept_pinned_files, dry_run=True)
        gone: list[Victim] = []
        error = ""
        for at in range(0, len(planned.victims), BATCH_FILES):
            batch = planned.victims[at : at + BATCH_FILES]
            with self._session("pruning"):
                gone += self._evictor.take(batch, reason)
            if any(victim.record.filename in victim.shelf.index for victim in batch):
                error = self._health.reason
                break
        self.rescan()
        done = report.pruned(gone, planned.kept_pinned_files, dry_run=False)
        return done if not error else _ended_early(done, error)

    def _candidates(self) -> Iterator[Candidate]:
        for space in self._book:
            if space.current:
                for record in space.blocks.index:
                    name = names.parse(record.filename)
                    if name is not None:
                        yield Candidate(space.name, space.model, space.directory, name)

    def _on_bad(self, candidate: Candidate, finding: Finding) -> None:
        if finding is Finding.DAMAGED:
            with suppress(OSError):
                blockfile.quarantine(candidate.directory, candidate.name)
            self.quarantined(candidate.namespace, [candidate.name.filename])
        else:
            self.missing(candidate.namespace, [candidate.name.filename])

    def _check_pin(self, label: str, pin: Pin) -> None:
        check_label(label)
        try:
            space = self._book.open(pin.namespace)
        except ValueError as error:
            raise OmlxError(Code.INVALID_REQUEST, str(error), param="namespace") from error
        total_bytes = self._expected_bytes(space, pin.prefixes)
        for key, other in self._pins.items():
            if key != label and (one := self._book.get(other.namespace)):
                total_bytes += self._expected_bytes(one, other.prefixes - pin.prefixes)
        if total_bytes > self._room.limit_bytes:
            raise OmlxError(
                Code.CACHE_FULL,
                f"all pins together would take {total_bytes} bytes, the cache may take {self._room.limit_bytes}",
                "unpin another prefix, or raise cache.cold_max_size",
            )

    def _expected_bytes(self, space: Space, prefixes: frozenset[str]) -> int:
        """Return what blocks take on disk, or would."""
        index = space.blocks.index
        stored = list(index.of(prefixes))
        missing = len(prefixes) - len({record.filename[:16] for record in stored})
        typical_bytes = index.disk_bytes // len(index) if len(index) else 0
        return sum(record.disk_bytes for record in stored) + missing * typical_bytes


def _limit(count_bytes: int) -> int | None:
    return None if count_bytes >= UNLIMITED else count_bytes


def _unsaved(error: OSError) -> OmlxError:
    return OmlxError(
        Code.CACHE_UNUSABLE, f"the pins cannot be written down: {storage.reason(error)}", storage.advice(error)
    )


def _ended_early(done: PruneReport, reason: str) -> PruneReport:
    error = ErrorBody(code=Code.CACHE_UNUSABLE, message=f"not everything could be removed: {reason}")
    return PruneReport(
        files=done.files, size_bytes=done.size_bytes, kept_pinned_files=done.kept_pinned_files, models=done.models,
        error=error,
    )  # fmt: skip
