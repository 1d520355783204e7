"""An area that is looked at on a thread of its own, and given up where it hangs.

A disk of the network whose server is gone answers no call on it, and no signal ends such a call; its thread ends with
the process.
"""

from __future__ import annotations

import contextlib
import shlex
import sys
import time
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from queue import Empty, SimpleQueue
from threading import Thread
from types import FrameType

from omlx_cli.diagnosis.check import Check, broken

SILENCE_S = 20.0
"""How long an area may say nothing, beside what it waits for by itself."""
_REMOTE = ("nfs", "cifs", "smb", "afp", "sshfs", "webdav", "9p", "ftp")
_END = None

Item = Check | Exception | None


class Watched:
    """Looks from the beginning. `look` may hang; `limit_s` bounds how long it may say nothing."""

    def __init__(self, name: str, look: Callable[[], Iterable[Check]], limit_s: float) -> None:
        self.is_stuck = False
        """Whether it was given up."""
        self._name = name
        self._look = look
        self._limit_s = limit_s
        self._items: SimpleQueue[Item] = SimpleQueue()
        self._heard_s = time.monotonic()
        self._thread = Thread(target=self._run, name=f"doctor-{name}", daemon=True)
        self._thread.start()

    def checks(self) -> Iterator[Check]:
        """Yield what is found, as it is found; at last that it was given up, where it was. Raises what `look` does."""
        while not self.is_stuck:
            item = self._next()
            if item is _END:
                return
            if isinstance(item, Exception):
                raise item
            yield item

    def _run(self) -> None:
        try:
            for check in self._look():
                self._heard_s = time.monotonic()
                self._items.put(check)
            self._items.put(_END)
        except Exception as error:  # noqa: BLE001 - it is raised again where somebody hears it
            self._items.put(error)

    def _next(self) -> Item:
        while (left_s := self._heard_s + self._limit_s - time.monotonic()) > 0 or not self._items.empty():
            with contextlib.suppress(Empty):
                return self._items.get(timeout=max(left_s, 0))
        self.is_stuck = True
        frame = sys._current_frames().get(self._thread.ident or 0)
        return given_up(self._name, self._limit_s, path_in(frame))


def path_in(frame: FrameType | None) -> Path | None:
    """Return the path that a thread works with, by the innermost function that has one; None where none has."""
    while frame is not None:
        found = [value for value in frame.f_locals.values() if isinstance(value, Path)]
        if found:
            return found[0]
        frame = frame.f_back
    return None


def given_up(name: str, limit_s: float, path: Path | None) -> Check:
    """Return what to say of an area that hangs, at `path` where that is known. Nothing is asked of any disk."""
    found = f"this could not be looked at within {limit_s:g} s"
    again = f"OMLX_DEBUG=1 omlx doctor {name}"
    if path is None:
        return broken(name, f"{found}: what it asks does not answer", again)
    mount, kind = _mount(path)
    if not is_remote(kind):
        return broken(name, f"{found}: the disk of {path} may not answer", again)
    text = f"{found}: {path} lies on {mount}, a disk of the network ({kind}), which may not answer"
    return broken(name, text, f"sudo umount -f {shlex.quote(mount)}")


def is_remote(kind: str) -> bool:
    """Tell whether a file system of this type, such as `nfs4` or `fuse.sshfs`, is one of the network."""
    return kind.removeprefix("fuse.").startswith(_REMOTE)


def _mount(path: Path) -> tuple[str, str]:
    """Return where the file system of `path` is mounted, and its type; by the names alone."""
    import psutil

    kinds = {part.mountpoint: part.fstype for part in psutil.disk_partitions(all=True)}
    mount = next((str(part) for part in (path, *path.parents) if str(part) in kinds), "/")
    return mount, kinds.get(mount, "")
