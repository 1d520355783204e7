"""Taking omlx's own files away: what goes, what stays, and the going itself."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

import msgspec

from omlx_cli.contract.errors import Code, OmlxError
from omlx_cli.contract.paths import Paths

_CACHE_FILES = (".lock", "CACHEDIR.TAG", "pins.json*", "budget.json", ".tmp-*", "kv-v*")
"""What the cache keeps in its directory, which may be one that other things lie in too."""


class Part(msgspec.Struct, frozen=True, kw_only=True):
    """One thing that is removed or stays. `paths` are whole: a folder goes with all that it holds."""

    name: str
    paths: tuple[str, ...]
    size_bytes: int = 0
    option: str = ""
    """What removes it, where it stays."""


@dataclass(frozen=True, slots=True)
class Wanted:
    """What goes besides the parts that mean nothing without the program."""

    models: bool
    cache: bool
    config: bool


@dataclass(frozen=True, slots=True)
class Plan:
    """What goes and what stays."""

    going: tuple[Part, ...]
    staying: tuple[Part, ...]


def plan(paths: Paths, cache: Path, wanted: Wanted) -> Plan:
    """Return what of a home goes and what stays; parts that are not there are left out."""
    # Without a download that was begun, only locks are left in their folder.
    begun = paths.downloads.is_dir() and _size_bytes(paths.downloads) > 0
    models = [*filter(_holds_something, [paths.models]), *([paths.downloads] if begun else [])]
    optional = (
        (wanted.models, _part("models", models, "--models")),
        (wanted.cache, _part("cache", _cache_parts(cache), "--cache")),
        (wanted.config, _part("settings", [paths.config, paths.home / "catalog.toml", paths.keys], "--config")),
    )
    own = [
        _part("shim", [paths.shim]),
        _part("logs", [paths.logs]),
        _part("state", [*paths.home.glob(f"{paths.state.name}*"), paths.chat_history, paths.dashboard]),
        _part("run files", [paths.run, *_outer_socket(paths)]),
        _part("locks", [paths.keys.with_suffix(".lock"), *([] if begun else [paths.downloads])]),
    ]
    going = [*own, *(part for goes, part in optional if goes)]
    staying = [part for goes, part in optional if not goes]
    return Plan(
        tuple(msgspec.structs.replace(part, option="") for part in going if part.paths),
        tuple(part for part in staying if part.paths),
    )


def carry_out(parts: Iterable[Part], paths: Paths, cache: Path) -> None:
    """Delete the parts, and the folders that are empty then. Raises OmlxError naming the first that would not go."""
    try:
        for part in parts:
            for name in part.paths:
                _delete(Path(name))
    except OSError as error:
        raise OmlxError(
            Code.INTERNAL, f"cannot remove {error.filename}: {error.strerror}", "what is left goes with a second try"
        ) from error
    for folder in (cache, paths.models, paths.shim.parent, paths.home):
        if folder.is_dir() and not _holds_something(folder):
            folder.rmdir()


def _delete(path: Path) -> None:
    if path.is_symlink() or not path.is_dir():
        path.unlink(missing_ok=True)
    else:
        shutil.rmtree(path)


def _part(name: str, candidates: Iterable[Path], option: str = "") -> Part:
    found = [path for path in candidates if os.path.lexists(path)]
    size_bytes = sum(_size_bytes(path) for path in found)
    return Part(name=name, paths=tuple(map(str, found)), size_bytes=size_bytes, option=option)


def _holds_something(path: Path) -> bool:
    return os.path.lexists(path) and (path.is_symlink() or not path.is_dir() or any(path.iterdir()))


def _cache_parts(cache: Path) -> Iterator[Path]:
    for pattern in _CACHE_FILES:
        yield from sorted(cache.glob(pattern))


def _outer_socket(paths: Paths) -> list[Path]:
    return [] if paths.socket.parent == paths.run else [paths.socket.parent]


def _size_bytes(path: Path) -> int:
    """Return what a file or folder takes; what cannot be read counts nothing."""
    if path.is_symlink() or not path.is_dir():
        return path.lstat().st_size
    total = 0
    for folder, _, files in os.walk(path):
        for name in files:
            try:
                total += os.lstat(os.path.join(folder, name)).st_size  # noqa: PTH118
            except OSError:
                continue
    return total
