"""The home: whose it is, who may read it, who may write it."""

from __future__ import annotations

import os
import shlex
import stat
from collections.abc import Iterator
from pathlib import Path

from omlx_cli.contract.paths import DIRECTORY_MODE, FILE_MODE, Paths
from omlx_cli.diagnosis.check import Check, broken, ok, warn
from omlx_cli.diagnosis.subject import Subject

_WRITABLE = os.R_OK | os.W_OK | os.X_OK


def checks(subject: Subject) -> Iterator[Check]:
    """Yield everything that is wrong with the home, or that it is well."""
    paths = subject.paths
    try:
        found = [*problems(paths)] if paths.home.exists() else [absent(paths.home)]
    except PermissionError as error:
        closed = Path(error.filename).parent
        found = [broken("home", f"{paths.home} cannot be reached: {closed} lets you not through", "unset OMLX_HOME")]
    yield from found or [ok("home", f"{paths.home}, for you alone")]


def absent(home: Path) -> Check:
    """Return what to say of a home that is not there yet."""
    parent = nearest(home)
    if os.access(parent, os.W_OK | os.X_OK):
        return ok("home", f"{home} is made at the first start")
    return broken("home", f"{home} cannot be made: {parent} cannot be written", _own(parent))


def problems(paths: Paths) -> Iterator[Check]:
    """Yield what is wrong with a home that is there."""
    folders = [path for path in (paths.home, paths.run, paths.logs, paths.models, paths.socket.parent) if path.exists()]
    for path in dict.fromkeys(folders):
        if not path.is_dir():
            yield broken("home", f"{path} is no folder", f"mv {_quoted(path)} {_quoted(path)}.old")
        elif path.stat().st_uid != os.getuid():
            yield broken("owner", f"{path} belongs to user {path.stat().st_uid}, not to you", _own(path))
        elif not os.access(path, _WRITABLE):
            yield broken("home", f"{path} cannot be written", f"chmod u+rwx {_quoted(path)}")
    yield from _open_to_others(paths)
    yield from _of_others(paths)


def nearest(path: Path) -> Path:
    """Return `path`, or the nearest of its parents that exists."""
    return next(part for part in (path, *path.parents) if part.exists())


def mode(path: Path) -> int:
    """Return who may do what with `path`."""
    return stat.S_IMODE(path.stat().st_mode)


def _open_to_others(paths: Paths) -> Iterator[Check]:
    """Yield what others could look into, and should not: sockets act on the daemon, and logs tell who asked what."""
    wanted = ((path, DIRECTORY_MODE) for path in (paths.home, paths.run, paths.logs))
    for path, right in (*wanted, (paths.socket, FILE_MODE), (paths.state, FILE_MODE)):
        if path.exists() and mode(path) & 0o077:
            yield warn("access", f"others can look into {path}", f"chmod {right:o} {_quoted(path)}")


def _of_others(paths: Paths) -> Iterator[Check]:
    """Yield what somebody else owns in the home, most often the root of a `sudo omlx`."""
    for folder in (paths.home, paths.run, paths.logs):
        try:
            entries = list(os.scandir(folder)) if folder.is_dir() else []
        except PermissionError:
            continue
        foreign = sorted(entry.name for entry in entries if entry.stat(follow_symlinks=False).st_uid != os.getuid())
        if foreign:
            more = f" and {len(foreign) - 1} more" if len(foreign) > 1 else ""
            yield broken("owner", f"{folder}/{foreign[0]}{more} belongs to another user", _own(folder))


def _own(path: Path) -> str:
    return f'sudo chown -R "$(id -un)" {_quoted(path)}'


def _quoted(path: Path) -> str:
    return shlex.quote(str(path))
