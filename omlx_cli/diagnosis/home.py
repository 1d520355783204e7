"""The home: permissions, settings, room."""

from __future__ import annotations

import os
import shutil
import stat
from pathlib import Path

from omlx_cli.contract import settings
from omlx_cli.contract.errors import OmlxError
from omlx_cli.contract.paths import DIRECTORY_MODE, FILE_MODE, Paths
from omlx_cli.contract.units import format_bytes
from omlx_cli.diagnosis.check import Check, broken, ok, warn

_LITTLE_ROOM_BYTES = 5_000_000_000
_NO_ROOM_BYTES = 200_000_000


def check_home(paths: Paths) -> Check:
    """Check that the home is ours, writable, and closed to others."""
    name, home = "home", paths.home
    if not home.exists():
        parent = _nearest(home)
        if os.access(parent, os.W_OK | os.X_OK):
            return ok(name, f"{home}, made at the first start")
        return broken(name, f"{parent} cannot be written", "set OMLX_HOME to a folder that you can write")
    facts = home.stat()
    if facts.st_uid != os.getuid():
        return broken(name, f"{home} belongs to user {facts.st_uid}", f"sudo chown -R $(id -un) {home}")
    shut = [part for part in (home, paths.run, paths.logs, paths.models) if part.exists() and not _is_writable(part)]
    if shut:
        return broken(name, f"{shut[0]} cannot be written", f"chmod u+rwx {shut[0]}")
    open_ = [part for part in (home, paths.run) if part.exists() and _mode(part) & 0o077]
    if open_:
        return warn(name, f"others can look into {open_[0]}", f"chmod {DIRECTORY_MODE:o} {open_[0]}")
    return ok(name, str(home))


def check_settings(paths: Paths) -> Check:
    """Check that `config.toml` can be read and holds no key that others could read."""
    name, path = "settings", paths.config
    try:
        values = settings.load(path)
    except OmlxError as error:
        return broken(name, error.body.message, f"mend {path}, or move it away")
    if not path.exists():
        return ok(name, "the defaults")
    if values.server.api_key and _mode(path) & 0o077:
        return warn(name, f"others can read the API key in {path}", f"chmod {FILE_MODE:o} {path}")
    return ok(name, str(path))


def check_room(paths: Paths) -> Check:
    """Check that there is room for models on the disk."""
    name, place = "disk", _nearest(paths.home)
    free = shutil.disk_usage(place).free
    found = f"{format_bytes(free)} free at {place}"
    if free < _NO_ROOM_BYTES:
        return broken(name, found, "free some room, or set OMLX_HOME to another disk")
    if free < _LITTLE_ROOM_BYTES:
        return warn(name, found, "omlx ls  shows which models could go")
    return ok(name, found)


def _nearest(path: Path) -> Path:
    """Return `path`, or the nearest of its parents that exists."""
    return next(part for part in (path, *path.parents) if part.exists())


def _mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


def _is_writable(path: Path) -> bool:
    return os.access(path, os.R_OK | os.W_OK | os.X_OK)
