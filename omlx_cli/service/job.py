"""What a service manager has to know to run the daemon, whichever manager it is."""

from __future__ import annotations

import ipaddress
import os
import re
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from omlx_cli.contract import keys
from omlx_cli.contract.paths import Paths
from omlx_cli.contract.settings import ServerSettings, Settings
from omlx_cli.contract.units import parse_duration_s

MARK = "OMLX_DEFINITION"
"""The variable that tells our own definitions from those of others; its value is their format's number."""

OPEN_FILES = 16384
_FORMAT = "1"
_STOP_MARGIN_S = 10
_LONGEST_S = 86_400
_SYSTEM_PATH = "/usr/bin:/bin:/usr/sbin:/sbin"
_PASSED_ON = ("HF_HOME", "HF_HUB_CACHE", "OMLX_BLAS", "XDG_CACHE_HOME")
"""Where things lie; nothing secret, since a definition can be read by every program of the user."""
_KEG = re.compile(r"(?P<brew>/.*)/Cellar/(?P<formula>[^/]+)/[^/]+(?P<rest>/.*)")


@dataclass(frozen=True, slots=True)
class Job:
    """The daemon of one home. `listen` is host and port, or None where connections cannot start it."""

    arguments: tuple[str, ...]
    environment: Mapping[str, str]
    listen: tuple[str, int] | None
    start_s: int
    stop_s: int
    log: Path

    @classmethod
    def of(cls, paths: Paths, settings: Settings, environ: Mapping[str, str] = os.environ) -> Job:
        """Return the job of the running installation, by paths that outlive an upgrade."""
        return cls(
            arguments=tuple(_command()),
            environment=_environment(paths, environ),
            listen=_listen(settings.server, paths),
            start_s=_seconds(settings.daemon.start_timeout),
            stop_s=_seconds(settings.daemon.stop_timeout) + _STOP_MARGIN_S,
            log=paths.boot_log,
        )


def lasting(path: str) -> str:
    """Return `path` through Homebrew's `opt` where it lies in a keg, which the next upgrade deletes."""
    keg = _KEG.fullmatch(path)
    if not keg:
        return path
    stable = f"{keg['brew']}/opt/{keg['formula']}{keg['rest']}"
    return stable if os.access(stable, os.X_OK) else path


def _command() -> list[str]:
    """Return the daemon's command line; its first word is what the system shows to the user."""
    script = Path(sys.executable).with_name("omlx-daemon")
    if os.access(script, os.X_OK):
        return [lasting(str(script))]
    return [lasting(sys.executable), "-I", "-X", "utf8", "-m", "omlx_daemon"]


def _environment(paths: Paths, environ: Mapping[str, str]) -> dict[str, str]:
    keg = _KEG.fullmatch(sys.executable)
    return {
        "PATH": f"{keg['brew']}/bin:{keg['brew']}/sbin:{_SYSTEM_PATH}" if keg else _SYSTEM_PATH,
        "PYTHONUTF8": "1",
        "OMLX_HOME": str(paths.home),
        MARK: _FORMAT,
        **{name: environ[name] for name in _PASSED_ON if environ.get(name)},
    }


def _listen(server: ServerSettings, paths: Paths) -> tuple[str, int] | None:
    host = "127.0.0.1" if server.host == "localhost" else server.host
    try:
        address = ipaddress.ip_address(host)
    except ValueError:
        return None
    # Without a key the daemon would refuse to serve an open address, on every connection anew.
    if not server.port or not (address.is_loopback or server.api_key or server.keys or keys.exist(paths.keys)):
        return None
    return host, server.port


def _seconds(text: str) -> int:
    return max(1, round(min(parse_duration_s(text), _LONGEST_S)))
