"""`state.json`: what the daemon remembers across restarts."""

from __future__ import annotations

import asyncio
import logging
import math
from collections.abc import Callable
from errno import ENOENT
from pathlib import Path

from omlx_cli.contract import storage
from omlx_daemon.core import kept

FLUSH_S = 30.0
"""How long a counter may wait for its way to the disk."""
MAX_RATIOS = 200

_log = logging.getLogger(__name__)


class StateStore:
    """Pins and counters. Written atomically; keys it does not know are kept, and so is a damaged file."""

    def __init__(self, path: Path) -> None:
        """Read the file, or its copy. Raises OmlxError(HOME_UNUSABLE) where there is one that cannot be read."""
        self._path = path
        self.is_ours: Callable[[], bool] = lambda: True
        """Tells whether the path still leads to where the file was read."""
        try:
            self._content, self._damage = kept.read(path)
        except OSError as error:
            raise storage.unusable(error, f"cannot read {path}") from error
        if self._damage:
            _log.warning("%s", self._damage)
        self._unsaved = ""
        self._write_lock = asyncio.Lock()
        self._flush: asyncio.TimerHandle | None = None
        self._flushing: asyncio.Task[None] | None = None

    @property
    def pinned(self) -> tuple[str, ...]:
        """The pinned models' names, in the order they were pinned."""
        names = self._content.get("pinned")
        return tuple(name for name in names if isinstance(name, str)) if isinstance(names, list) else ()

    @property
    def requests_total(self) -> int:
        """Requests ever taken."""
        count = self._content.get("requests_total")
        return count if isinstance(count, int) and count >= 0 else 0

    @property
    def troubles(self) -> tuple[str, ...]:
        """What is wrong with the file, for people."""
        return tuple(text for text in (self._damage, self._unsaved) if text)

    async def pin(self, name: str, pinned: bool) -> None:
        """Remember whether `name` is pinned; on disk when it returns. Raises OSError, and then nothing changed."""
        before = self._content.get("pinned", [])
        names = [known for known in self.pinned if known != name]
        self._content["pinned"] = [*names, name] if pinned else names
        try:
            await self.flush()
        except OSError:
            self._content["pinned"] = before
            raise

    def ratio(self, key: str) -> float | None:
        """Return how a load's measure compared with its estimate the last time, None where it was not measured."""
        ratios = self._content.get("load_ratios")
        found = ratios.get(key) if isinstance(ratios, dict) else None
        return float(found) if isinstance(found, int | float) and math.isfinite(found) and found > 0 else None

    def learn(self, key: str, ratio: float) -> None:
        """Remember that comparison; on disk within `FLUSH_S`."""
        ratios = self._content.get("load_ratios")
        known = {name: value for name, value in ratios.items() if name != key} if isinstance(ratios, dict) else {}
        newest = dict(list(known.items())[-(MAX_RATIOS - 1) :])
        self._content["load_ratios"] = {**newest, key: round(ratio, 4)}
        self._flush_later()

    def count_request(self) -> None:
        """Count one request; on disk within `FLUSH_S`."""
        self._content["requests_total"] = self.requests_total + 1
        self._flush_later()

    async def flush(self) -> None:
        """Write everything now. Raises OSError."""
        if self._flush is not None:
            self._flush.cancel()
            self._flush = None
        async with self._write_lock:
            try:
                await asyncio.to_thread(self._write, {"version": 1, **self._content})
            except OSError as error:
                self._unsaved = f"{self._path} cannot be written: {storage.reason(error)}"
                raise
            self._unsaved = ""

    def _write(self, document: kept.Document) -> None:
        if not self.is_ours():
            raise OSError(ENOENT, f"{self._path.parent} is another folder now", str(self._path))
        kept.write(self._path, document)

    def _flush_later(self) -> None:
        if self._flush is None:
            self._flush = asyncio.get_running_loop().call_later(FLUSH_S, self._begin_flush)

    def _begin_flush(self) -> None:
        self._flush = None
        self._flushing = asyncio.create_task(self._flush_quietly())

    async def _flush_quietly(self) -> None:
        known = self._unsaved
        try:
            await self.flush()
        except OSError:
            if not known:
                _log.warning("%s", self._unsaved)
            self._flush_later()
