"""What the pool needs of the prefix cache: something to start a worker with, and somebody to pass its notes to."""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol

from omlx_cli.contract.cache import ModelCacheFigures
from omlx_daemon.core.models import ModelSpec
from omlx_daemon.wire.cache import CacheCommand, CacheNote, CacheStart

Send = Callable[[CacheCommand], None]
"""Sends a command to a worker; one that is gone gets nothing."""


class CacheLink(Protocol):
    """One worker's cache, seen from the daemon. Event loop only; no call waits."""

    @property
    def start(self) -> CacheStart:
        """What the worker is to be told of its cache."""
        ...

    def connect(self, pid: int, send: Send) -> None:
        """Take note of the worker's process; commands go to it by `send` from now on."""
        ...

    def take(self, note: CacheNote) -> None:
        """Act on what the worker tells or asks."""
        ...

    def report(self, figures: ModelCacheFigures) -> None:
        """Take the worker's figures of now."""
        ...

    def close(self) -> None:
        """Take note that the worker is gone, or was never started; again does nothing."""
        ...


class Caches(Protocol):
    """Gives every worker its cache."""

    async def open(self, spec: ModelSpec, room_bytes: int) -> CacheLink:
        """Return the cache of a worker that is about to start, and may take `room_bytes` of memory beside the model.

        Raises nothing: a cache that fails is none.
        """
        ...

    @property
    def hot_budget_bytes(self) -> int:
        """What all workers' blocks in memory may take together."""
        ...

    def limit_hot(self, size_bytes: int, *, losing: bool = False) -> None:
        """Bound that by `size_bytes` besides. Blocks that are not on disk stay, but for `losing` those of a worker
        that has no disk to put them on."""
        ...


class NoLink:
    """No cache."""

    start = CacheStart()

    def connect(self, pid: int, send: Send) -> None:
        """Do nothing."""

    def take(self, note: CacheNote) -> None:
        """Do nothing."""

    def report(self, figures: ModelCacheFigures) -> None:
        """Do nothing."""

    def close(self) -> None:
        """Do nothing."""


class NoCaches:
    """No caches at all."""

    hot_budget_bytes = 0

    async def open(self, spec: ModelSpec, room_bytes: int) -> CacheLink:
        """Return no cache."""
        return NoLink()

    def limit_hot(self, size_bytes: int, *, losing: bool = False) -> None:
        """Do nothing."""
