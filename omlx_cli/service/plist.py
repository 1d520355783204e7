"""launchd's definition of the daemon."""

from __future__ import annotations

import os
import plistlib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from xml.parsers.expat import ExpatError

from omlx_cli.contract.paths import DIRECTORY_MODE
from omlx_cli.contract.services import LABEL, SOCKET
from omlx_cli.service.job import MARK, OPEN_FILES, Job

_UMASK = 0o777 - DIRECTORY_MODE
_DEMAND_PAUSE_S, _LOGIN_PAUSE_S = 1, 10
"""Between two starts. Nothing but a demand starts a job on demand, so that a pause would only keep it waiting."""


def render(job: Job, login: bool) -> bytes:
    """Return the property list; `login` has the daemon started at login, and again after a crash."""
    content: dict[str, Any] = {
        "Label": LABEL,
        "ProgramArguments": list(job.arguments),
        "EnvironmentVariables": dict(job.environment),
        "ExitTimeOut": job.stop_s,
        "LimitLoadToSessionType": ["Aqua", "Background"],
        "ProcessType": "Interactive",
        "SoftResourceLimits": {"NumberOfFiles": OPEN_FILES},
        "StandardErrorPath": str(job.log),
        "StandardOutPath": str(job.log),
        "ThrottleInterval": _LOGIN_PAUSE_S if login else _DEMAND_PAUSE_S,
        "Umask": _UMASK,
    }
    if job.listen:
        content["Sockets"] = {SOCKET: _socket(*job.listen)}
    if login:
        # A crash is worth another try; settings that keep the daemon from starting are not.
        content |= {"RunAtLoad": True, "KeepAlive": {"Crashed": True}}
    return plistlib.dumps(content, sort_keys=True)


def _socket(host: str, port: int) -> dict[str, str]:
    return {
        "SockFamily": "IPv6" if ":" in host else "IPv4",
        "SockNodeName": host,
        "SockServiceName": str(port),
        "SockType": "stream",
    }


@dataclass(frozen=True, slots=True)
class Installed:
    """A definition as it was found on disk."""

    program: str
    environment: Mapping[str, str]
    login: bool
    listens: str

    @classmethod
    def parse(cls, data: bytes) -> Installed | None:
        """Return the definition; None where it is no property list of a job."""
        try:
            content = plistlib.loads(data)
            arguments, environment = content["ProgramArguments"], content.get("EnvironmentVariables", {})
            return cls(
                program=str(content.get("Program", arguments[0])),
                environment={str(name): str(value) for name, value in environment.items()},
                login=bool(content.get("RunAtLoad") or content.get("KeepAlive")),
                listens=_listens(content.get("Sockets", {}).get(SOCKET, {})),
            )
        except (ExpatError, plistlib.InvalidFileException, ValueError, LookupError, AttributeError, TypeError):
            return None

    @property
    def is_ours(self) -> bool:
        """Whether omlx wrote it."""
        return MARK in self.environment

    @property
    def can_run(self) -> bool:
        """Whether its program is there, which an upgrade or an uninstall may have deleted."""
        return os.access(self.program, os.X_OK)

    @property
    def home(self) -> Path:
        """The omlx home that it serves."""
        return Path(self.environment.get("OMLX_HOME") or Path("~/.omlx").expanduser())


def _listens(socket: Mapping[str, str]) -> str:
    host = socket.get("SockNodeName", "")
    return f"{f'[{host}]' if ':' in host else host}:{socket['SockServiceName']}" if host else ""
