"""Puts a worker's prefix cache together: tiers, codec, and the daemon's ledger behind them."""

from __future__ import annotations

import logging
import os
import sys
from collections.abc import Callable, Iterable
from pathlib import Path

from omlx_cli.contract.units import format_bytes
from omlx_daemon.coldstore import names
from omlx_daemon.coldstore.layout import Layout
from omlx_daemon.wire.cache import (
    Arrived,
    CacheCommand,
    CacheStart,
    ClearCache,
    DirectoryUsable,
    Evicted,
    PinBlocks,
    ResizeHot,
)
from omlx_daemon.worker.cache.cold import ColdTier
from omlx_daemon.worker.cache.hot import HotTier
from omlx_daemon.worker.cache.ledger import Ledger
from omlx_daemon.worker.cache.payload import Codec
from omlx_daemon.worker.cache.store import Store
from omlx_daemon.worker.cache.tier import Tier
from omlx_daemon.worker.comparing import Comparer
from omlx_daemon.worker.engine.prefixes import Compare

log = logging.getLogger(__name__)

COLD_QUEUE_BYTES = 512 << 20
MIN_READERS, MAX_READERS = 4, 8
"""Threads that read blocks; more than the disk and the memory can feed only take turns."""


_PINS = "daemon"
_UNSAVED = "unsaved"


class PrefixCache:
    """One model's store, and what the daemon may ask of it. Engine thread only."""

    def __init__(
        self,
        store: Store,
        cold: ColdTier | None = None,
        compare: Compare | None = None,
        hot: HotTier | None = None,
    ) -> None:
        self.store = store
        self.compare = compare
        """Compares stored blocks with what the model computes; None where there are none."""
        self._cold = cold
        self._hot = hot

    def obey(self, command: CacheCommand) -> None:
        """Do what the daemon asks."""
        match command:
            case Evicted(filenames=filenames):
                if self._cold is not None:
                    self._cold.forget([name for filename in filenames if (name := names.parse(filename))])
            case Arrived(files=files):
                self._take_over(files)
            case DirectoryUsable():
                if self._cold is not None:
                    self._cold.begin()
            case ResizeHot(capacity_bytes=capacity_bytes, keep_unsaved=keep_unsaved):
                self._resize_hot(capacity_bytes, keep_unsaved)
            case ClearCache():
                if self._cold is not None:
                    self._cold.withdraw()
                self.store.evict_hot(sys.maxsize)
            case PinBlocks(hashes=hashes):
                self.store.pin_blocks(_PINS, frozenset(hashes))

    def _resize_hot(self, capacity_bytes: int, keep_unsaved: bool) -> None:
        if self._hot is None or self._cold is None or not keep_unsaved:
            self.store.resize_hot(capacity_bytes)
            return
        unsaved = (name.hash for name in self._hot.names() if not self._cold.has_file(name.hash, name.part))
        self.store.pin_blocks(_UNSAVED, frozenset(unsaved))
        self.store.resize_hot(capacity_bytes)
        # Letting go of a pin evicts what is over the bound.
        self.store.resize_hot(max(capacity_bytes, self._hot.stats().size_bytes))
        self.store.unpin(_UNSAVED)

    def _take_over(self, files: Iterable[tuple[str, int]]) -> None:
        found = [(name, size_bytes) for filename, size_bytes in files if (name := names.parse(filename))]
        if self._cold is not None:
            self._cold.take_over(found)
            self.store.learn([name for name, _ in found])

    def close(self, deadline_s: float) -> None:
        """Write what waits within the deadline, and say what was not."""
        left = self.store.close(deadline_s)
        if left.parts:
            log.warning(
                "%d parts of prefixes (%s) were not written in time and are dropped",
                left.parts,
                format_bytes(left.size_bytes),
            )


def open_cache(
    start: CacheStart,
    model: str,
    codec: Codec | None,
    arrays: str,
    problem: str,
    ledger: Ledger,
    wake: Callable[[], None],
) -> PrefixCache:
    """Return the cache that `start` describes; one that keeps nothing where it cannot be, said once in the log.

    `arrays` describes what `codec` stores, `problem` says why there is no codec.
    """
    off = start.why_off or "cache.enabled is false" if not start.enabled else problem
    if off or codec is None:
        log.log(logging.WARNING if start.enabled else logging.INFO, "prefixes of %s are not cached: %s", model, off)
        return PrefixCache(Store(None, (), "", off=off))
    cold = _cold_tier(start, model, ledger) if start.directory else None
    hot = HotTier(start.hot_max_bytes, cold.has_file) if cold else HotTier(start.hot_max_bytes)
    tiers: list[Tier] = [hot, *([cold] if cold else [])]
    store = Store(codec, tiers, f"{start.namespace} {arrays}", wake=wake)
    store.pin_blocks(_PINS, frozenset(start.pinned))
    space = Layout(Path(start.directory)).namespace(start.namespace) if cold else None
    return PrefixCache(store, cold, Comparer(codec, space) if space else None, hot)


def _cold_tier(start: CacheStart, model: str, ledger: Ledger) -> ColdTier | None:
    layout = Layout(Path(start.directory))
    try:
        return ColdTier(
            layout.namespace(start.namespace),
            ledger,
            readers=max(MIN_READERS, min(MAX_READERS, (os.cpu_count() or 1) // 2)),
            queue_bytes=COLD_QUEUE_BYTES,
            batch_bytes=0,
            fsync=start.fsync,
            second_hit=start.second_hit,
            waiting=start.waiting,
            prepare=lambda: layout.create_namespace(start.namespace, model, start.details),
        )
    except OSError as error:
        log.warning("the cold tier of %s cannot be read, the cache is in memory alone: %s", model, error)
        return None
