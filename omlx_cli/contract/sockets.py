"""Where the home and the control socket are, computed alike by CLI and daemon.

Kept free of `pathlib` and `hashlib` at import: `omlx ps` runs through here in a few milliseconds.
"""

from __future__ import annotations

import os

MAX_SOCKET_PATH_BYTES = 100
"""macOS refuses socket paths over 104 bytes, Linux over 108; the rest is head-room."""


def home() -> str:
    """Return the absolute path of the omlx home: `$OMLX_HOME`, else `~/.omlx`."""
    return os.path.abspath(os.environ.get("OMLX_HOME") or os.path.expanduser("~/.omlx"))


def socket_path(home_dir: str) -> str:
    """Return the daemon's unix socket for a home; a short stand-in where the natural path is too long."""
    natural = os.path.join(home_dir, "run", "omlx.sock")
    if len(os.fsencode(natural)) <= MAX_SOCKET_PATH_BYTES:
        return natural
    return os.path.join(_short_directory(home_dir), "omlx.sock")


def _short_directory(home_dir: str) -> str:
    import hashlib

    digest = hashlib.sha256(os.fsencode(home_dir)).hexdigest()[:16]
    return f"/tmp/omlx-{os.getuid()}-{digest}"  # noqa: S108
