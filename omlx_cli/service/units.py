"""systemd's definitions of the daemon: a service, and the socket whose first connection starts it."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from omlx_cli.contract.services import SOCKET, UNIT
from omlx_cli.service.job import MARK, OPEN_FILES, Job

SERVICE = f"{UNIT}.service"
LISTENER = f"{UNIT}.socket"
_HOPELESS = "2 75"
"""Exit codes of a daemon that another try would not help: wrong settings, another daemon."""
_VARIABLE = re.compile(r'^Environment="([^=]+)=((?:[^"\\]|\\.)*)"$', re.MULTILINE)
_PROGRAM = re.compile(r'^ExecStart="((?:[^"\\]|\\.)*)"', re.MULTILINE)
_LISTENS = re.compile(r"^ListenStream=(.*)$", re.MULTILINE)


def service(job: Job) -> str:
    """Return the text of `omlx.service`."""
    socket = f"Wants={LISTENER}\nAfter={LISTENER}\n" if job.listen else ""
    variables = "".join(f"Environment={_quoted(f'{name}={value}')}\n" for name, value in job.environment.items())
    log = str(job.log).replace("%", "%%")
    return f"""[Unit]
Description=omlx, the local model daemon
{socket}StartLimitIntervalSec=60
StartLimitBurst=5

[Service]
Type=notify
ExecStart={" ".join(_quoted(word.replace("$", "$$")) for word in job.arguments)}
{variables}Restart=on-failure
RestartPreventExitStatus={_HOPELESS}
RestartSec=1
TimeoutStartSec={job.start_s}
TimeoutStopSec={job.stop_s}
KillMode=mixed
LimitNOFILE={OPEN_FILES}
UMask=0077
StandardOutput=append:{log}
StandardError=append:{log}

[Install]
WantedBy=default.target
"""


def listener(job: Job) -> str:
    """Return the text of `omlx.socket`; empty where connections cannot start the daemon."""
    if job.listen is None:
        return ""
    host, port = job.listen
    return f"""[Unit]
Description=omlx, the port that starts the local model daemon

[Socket]
ListenStream={f"[{host}]" if ":" in host else host}:{port}
FileDescriptorName={SOCKET}

[Install]
WantedBy=sockets.target
"""


@dataclass(frozen=True, slots=True)
class InstalledUnit:
    """`omlx.service` as it was found on disk."""

    program: str
    environment: Mapping[str, str]

    @classmethod
    def parse(cls, data: bytes) -> InstalledUnit:
        """Return what matters of the unit; fields stay empty where somebody else wrote it in another way."""
        text = data.decode(errors="replace")
        program = _PROGRAM.search(text)
        return cls(
            program=_plain(program[1]).replace("$$", "$") if program else "",
            environment={name: _plain(value) for name, value in _VARIABLE.findall(text)},
        )

    @property
    def is_ours(self) -> bool:
        """Whether omlx wrote it."""
        return MARK in self.environment

    @property
    def home(self) -> Path:
        """The omlx home that it serves."""
        return Path(self.environment.get("OMLX_HOME") or Path("~/.omlx").expanduser())


def address(data: bytes) -> str:
    """Return the address that a socket unit listens on."""
    found = _LISTENS.search(data.decode(errors="replace"))
    return found[1] if found else ""


def _quoted(word: str) -> str:
    escaped = word.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n").replace("%", "%%")
    return f'"{escaped}"'


def _plain(word: str) -> str:
    return re.sub(r"\\(.)", lambda found: "\n" if found[1] == "n" else found[1], word).replace("%%", "%")
