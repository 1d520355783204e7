"""What the ledger does on its own, now and then."""

from __future__ import annotations

import gc
import logging
import math
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from omlx_daemon.coldstore.files import remove_empty, remove_files, touch_files
from omlx_daemon.coldstore.scan import NamespaceScan, Scan, scan, scan_namespace
from omlx_daemon.coldstore.trace import Trace, trace
from omlx_daemon.ledger.accounts import Accounts
from omlx_daemon.ledger.policy import Policy, Reason
from omlx_daemon.ledger.prune import Criteria, plan
from omlx_daemon.ledger.reconcile import reconcile
from omlx_daemon.ledger.space import Space
from omlx_daemon.ledger.temporaries import stale

_LOG = logging.getLogger(__name__)

_WORTH_SAVING_NS = 10**9
_SCAN_PAUSES = 99
"""The least pause after a scan that nobody asked for, in its own duration."""


class Upkeep(Accounts):
    """Keeps limits, age and recency; brings accounts and disk together."""

    def maintain(self) -> None:
        """Try a failing disk again, remove what is over a limit or too old, write recency down. Every half minute."""
        with self._session("upkeep"):
            self._see_to_the_disk()
            self._expire()
            self._room.keep()
        self._save()

    def look(self) -> bool:
        """Rescan where files came or went since the last time, by whoever's hand; return whether it did so.

        Costs next to nothing where nothing did. Scans take a hundredth of the time at most.
        """
        if time.monotonic() < self._scan_again_at_s or self._trace_now() == self._trace:
            return False
        self.rescan()
        return True

    def rescan(self) -> None:
        """Bring the accounts to what lies on the disk, foreign files and those that grew included."""
        begun_s = time.monotonic()
        with self._session("tidying"):
            self._tidy()
        self._trace = self._trace_now()
        # The scan runs beside the writers; what it missed or saw too early is looked at again under the lock.
        try:
            found = scan(self._disk.layout)
        except OSError as error:
            with self._lock:
                self._health.failed("scanning", error)
            return
        with self._session("scanning"):
            self._take_over(found)
            self._room.keep()
        self._scan_again_at_s = time.monotonic() + _SCAN_PAUSES * (time.monotonic() - begun_s)

    def probe(self) -> bool:
        """Try the disk now; return whether it can be written."""
        with self._session("trying the disk"):
            self._try_again()
        return not self._health.degraded

    def set_policy(self, policy: Policy) -> None:
        """Put other limits in force; what they do not allow goes now."""
        with self._session("keeping the limits"):
            self._room.policy = policy
            self._room.keep()

    def close(self) -> None:
        """Write recency down and let go of the directory; again does nothing."""
        if self._disk.is_open():
            self._save()
        self._disk.close()

    def _load(self) -> None:
        """Begin the accounts from the disk. Raises OSError."""
        with _collector_paused():
            found = scan(self._disk.layout)
            self._remove_all_stale(found)
            self._book.fill(found, self._now_ns())
        self._apply_pins()

    def _see_to_the_disk(self) -> None:
        """Try a failing disk again where that is due; take over another one in the place of ours. Raises OSError."""
        if self._health.is_due():
            self._try_again()
        elif not self._health.degraded and not self._disk.is_open():
            self._try_again()
            _LOG.info("%s is another directory now: the cache's accounts begin anew", self._disk.layout.root)

    def _try_again(self) -> None:
        """Raise OSError where the disk still fails; else bring the accounts up to date."""
        is_ours = self._disk.is_open()
        self._disk.try_out()
        if not is_ours:
            self._pins.renew()
        for space in self._book:
            if space.owners:
                self._disk.layout.create_namespace(space.name, space.model, space.details)
        self._health.usable()
        self._take_over(scan(self._disk.layout))

    def _take_over(self, found: Scan) -> None:
        self._remove_all_stale(found)
        for space, records in self._book.reconcile(found, self._now_ns()):
            self._evictor.gone(space, records)
        self._apply_pins()

    def _trace_now(self) -> Trace:
        try:
            return trace(self._disk.layout.root)
        except OSError:
            return frozenset()

    def _rescan(self, space: Space, dead_pid: int | None) -> None:
        found = NamespaceScan()
        try:
            with suppress(FileNotFoundError):
                found = scan_namespace(space.directory)
        except OSError as error:
            with self._lock:
                self._health.failed("scanning a namespace", error)
            return
        with self._session("scanning a namespace"):
            self._remove_stale(space.directory, found, dead_pid)
            self._evictor.gone(space, reconcile(space, found, self._now_ns()))

    def _remove_all_stale(self, found: Scan) -> None:
        root = NamespaceScan(temporaries=found.temporaries)
        self._remove_stale(self._disk.layout.root, root, None)
        found.temporaries = root.temporaries
        for name, scanned in found.namespaces.items():
            self._remove_stale(self._disk.layout.namespace(name), scanned, None)

    def _remove_stale(self, directory: Path, found: NamespaceScan, dead_pid: int | None) -> None:
        gone = {file.filename for file in stale(found.temporaries, self._now_ns(), dead_pid)}
        if gone:
            remove_files(directory, gone)
        found.temporaries = [file for file in found.temporaries if file.filename not in gone]

    def _expire(self) -> None:
        if math.isfinite(self.policy.max_age_s):
            old = plan(self._book, Criteria(older_than_s=self.policy.max_age_s), self._clock())
            self._evictor.take(old.victims, Reason.AGE)

    def _tidy(self) -> None:
        """Remove the directories of namespaces that hold nothing any more and that nobody writes to."""
        for space in list(self._book):
            if not space.owners and not any(len(shelf.index) for shelf in space.shelves()):
                remove_empty(space.directory)
                if not space.current:
                    with suppress(OSError):
                        space.directory.parent.rmdir()
                if not space.directory.exists():
                    self._book.close(space.name)

    def _save(self) -> None:
        """Give files the time stamps of their last use, so that the order outlives the process."""
        with self._lock:
            work = [(space, self._unsaved(space)) for space in self._book]
        for space, times_ns in work:
            if times_ns:
                with self._session("saving recency"):
                    touch_files(space.directory, times_ns)
        with self._session("saving the budget"):
            self._budget.save()

    def _unsaved(self, space: Space) -> dict[str, int]:
        times_ns = {}
        for record in space.blocks.index:
            if record.recency_ns > record.saved_ns + _WORTH_SAVING_NS:
                record.saved_ns = record.recency_ns
                times_ns[space.blocks.path(record.filename)] = record.recency_ns
        return times_ns


@contextmanager
def _collector_paused() -> Iterator[None]:
    # Filling makes some hundred thousand objects and no garbage: collections would cost as much as the rest.
    was_on = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was_on:
            gc.enable()
