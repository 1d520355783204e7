"""The disks of home, cache and models: room, and how fast the cache's one is."""

from __future__ import annotations

import os
import shlex
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import psutil

from omlx_cli.books.place import Place, place
from omlx_cli.contract.units import format_bytes
from omlx_cli.diagnosis import speed
from omlx_cli.diagnosis.check import Check, broken, ok, warn
from omlx_cli.diagnosis.home import nearest
from omlx_cli.diagnosis.speed import Speed
from omlx_cli.diagnosis.subject import Subject
from omlx_cli.diagnosis.waiting import is_remote

LITTLE_ROOM_BYTES = 5_000_000_000
NO_ROOM_BYTES = 200_000_000
SLOW_BYTES_PER_S = 100_000_000
"""What a spinning disk reads; computing a prompt again is often faster than reading it from there."""
_IN_MEMORY = "omlx config set cache.cold_max_size 0"
"""The one remedy that is a command for everybody; only the user knows a better disk."""
_CHOICE = "put it on another disk (the setting cache.dir), or keep it in memory alone"
_PRUNE = "omlx cache prune --older-than 1d"
_LIST = "omlx ls"


@dataclass(frozen=True, slots=True)
class Volume:
    """A file system, as one path on it sees it."""

    path: Path
    free_bytes: int
    read_only: bool
    free_files: int | None
    """How many files more it takes; None where it sets no bound."""


def checks(subject: Subject) -> Iterator[Check]:
    """Yield the room on each disk that omlx writes to, then the cache's limits and the speed of its disk."""
    cache = place(subject.settings.cache, subject.paths)
    folders = {"home": subject.paths.home, "cache": cache.directory, "models": _hub(subject.environ)}
    seen: dict[int, str] = {}
    for name, folder in folders.items():
        there = nearest(folder)
        number = there.stat().st_dev
        if number not in seen:
            yield room(look(there), "" if name == "home" else name)
        seen[number] = name
    if subject.settings.cache.enabled and cache.quota_bytes:
        yield from limits(cache)
        yield _speed(cache.directory)


def look(path: Path) -> Volume:
    """Return the file system of `path`, which is there."""
    found = os.statvfs(path)
    return Volume(
        path=path,
        free_bytes=found.f_bavail * found.f_frsize,
        read_only=bool(found.f_flag & os.ST_RDONLY),
        free_files=found.f_favail if found.f_files else None,
    )


def room(volume: Volume, what: str = "") -> Check:
    """Return what to say of a disk; `what` lies there, where it is not the home."""
    found = f"{format_bytes(volume.free_bytes)} free at {volume.path}" + (f", for the {what}" if what else "")
    fix = _LIST if what == "models" else _PRUNE
    if volume.read_only:
        return broken("disk", f"{found}; it is mounted read-only", f"sudo mount -o remount,rw {_mount(volume.path)}")
    if volume.free_files == 0:
        return broken("disk", f"{found}, and no room for another file: it has as many as it can hold", fix)
    if volume.free_bytes < NO_ROOM_BYTES:
        return broken("disk", f"{found}: the daemon needs more to work", fix)
    if volume.free_bytes < LITTLE_ROOM_BYTES:
        return warn("disk", f"{found}: hardly a model fits there", fix)
    return ok("disk", found)


def limits(cache: Place) -> Iterator[Check]:
    """Yield what the settings leave to the cache on its disk."""
    if cache.free_bytes < cache.min_free_bytes:
        found = f"{format_bytes(cache.free_bytes)} free, and cache.min_free keeps {format_bytes(cache.min_free_bytes)}"
        yield warn("limit", f"the cache stores nothing new on disk: {found}", "omlx config set cache.min_free 1GB")


def judge(found: Speed, directory: Path) -> Check:
    """Return what to say of a measured disk."""
    kind = _kind(directory)
    write, read = (f"{format_bytes(round(rate))}/s" for rate in (found.write_bytes_per_s, found.read_bytes_per_s))
    text = f"writes {write}, reads {read} ({format_bytes(found.size_bytes)} in {directory}{kind and f', {kind}'})"
    if min(found.read_bytes_per_s, found.write_bytes_per_s) < SLOW_BYTES_PER_S:
        return warn("speed", f"{text}: the cache gains little from so slow a disk; {_CHOICE}", _IN_MEMORY)
    if is_remote(kind):
        why = "a network's locks and pauses are not what the cache is made for"
        return warn("speed", f"{text}: {why}; {_CHOICE}", _IN_MEMORY)
    return ok("speed", text)


def _speed(directory: Path) -> Check:
    there = nearest(directory)
    if not os.access(there, os.W_OK | os.X_OK):
        owner = f'sudo chown "$(id -un)" {shlex.quote(str(there))}'
        return broken("speed", f"{there}, where the cache lies, cannot be written", owner)
    try:
        found = speed.measure(there)
    except OSError as error:
        return broken("speed", f"writing to {there} fails: {error.strerror or error}", _PRUNE)
    return judge(found, there) if found else ok("speed", f"not measured: {there} has no room to spare")


def _hub(environ: Mapping[str, str]) -> Path:
    """Return the hub's cache, as its library finds it."""
    base = environ.get("HF_HOME") or Path(environ.get("XDG_CACHE_HOME") or "~/.cache") / "huggingface"
    return Path(environ.get("HF_HUB_CACHE") or Path(base) / "hub").expanduser().absolute()


def _kind(path: Path) -> str:
    """Return the type of the file system, such as `apfs`; empty where it cannot be told."""
    mounted = _mounted(path)
    return next((part.fstype for part in psutil.disk_partitions(all=True) if part.mountpoint == mounted), "")


def _mount(path: Path) -> str:
    return shlex.quote(_mounted(path))


def _mounted(path: Path) -> str:
    """Return where the file system of `path` is mounted."""
    real = path.resolve()
    return str(next(part for part in (real, *real.parents) if os.path.ismount(part)))
