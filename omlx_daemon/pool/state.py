"""`state.json`: what the daemon remembers across restarts."""

from __future__ import annotations

import asyncio
import logging
import math
from pathlib import Path

import msgspec

from omlx_daemon.core import files

FLUSH_S = 30.0
"""How long a counter may wait for its way to the disk."""
MAX_RATIOS = 200

_log = logging.getLogger(__name__)


class StateStore:
    """Pins and counters. Written atomically; keys it does not know are kept, a file it cannot read is set aside."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._content = _read(path)
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

    async def pin(self, name: str, pinned: bool) -> None:
        """Remember whether `name` is pinned; on disk when it returns. Raises OSError."""
        names = [known for known in self.pinned if known != name]
        self._content["pinned"] = [*names, name] if pinned else names
        await self.flush()

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
            document = msgspec.json.format(msgspec.json.encode({"version": 1, **self._content}))
            await asyncio.to_thread(files.replace, self._path, document + b"\n")

    def _flush_later(self) -> None:
        if self._flush is None:
            self._flush = asyncio.get_running_loop().call_later(FLUSH_S, self._begin_flush)

    def _begin_flush(self) -> None:
        self._flush = None
        self._flushing = asyncio.create_task(self._flush_quietly())

    async def _flush_quietly(self) -> None:
        try:
            await self.flush()
        except OSError as error:
            _log.warning("cannot write %s: %s", self._path, error)


def _read(path: Path) -> dict[str, object]:
    try:
        return msgspec.json.decode(path.read_bytes(), type=dict[str, object])
    except FileNotFoundError:
        return {}
    except (OSError, msgspec.DecodeError, UnicodeDecodeError) as error:
        aside = path.with_name(f"{path.name}.bad")
        _log.warning("%s cannot be read (%s); it is kept as %s", path, error, aside.name)
        _set_aside(path, aside)
        return {}


def _set_aside(path: Path, aside: Path) -> None:
    try:
        path.replace(aside)
    except OSError as error:
        _log.warning("cannot keep %s: %s", path, error)
