"""A property list as launchd takes it when it is loaded."""

from __future__ import annotations

import plistlib
import socket
import stat
from pathlib import Path
from typing import Any
from xml.parsers.expat import ExpatError

INVALID, MISSING_PROGRAM, DISABLED, OWNERSHIP, WRONG_SESSION = 109, 111, 119, 122, 134

Plist = dict[str, Any]


class Refused(Exception):
    """launchd's true reason, which its log holds and the exit code hides."""

    def __init__(self, code: int) -> None:
        super().__init__(str(code))
        self.code = code


def load(path: Path, session: str) -> Plist:
    """Return the definition. Raises Refused."""
    try:
        facts = path.stat()
        content = plistlib.loads(path.read_bytes())
    except (OSError, ValueError, ExpatError, plistlib.InvalidFileException) as error:
        raise Refused(INVALID) from error
    if facts.st_mode & (stat.S_IWGRP | stat.S_IWOTH) or facts.st_uid != path.parent.stat().st_uid:
        raise Refused(OWNERSHIP)
    if not isinstance(content, dict) or not isinstance(content.get("Label"), str):
        raise Refused(INVALID)
    if not content.get("Program") and not content.get("ProgramArguments"):
        raise Refused(MISSING_PROGRAM)
    types = content.get("LimitLoadToSessionType", "Aqua")
    if session not in ([types] if isinstance(types, str) else types):
        raise Refused(WRONG_SESSION)
    return content


def listeners(content: Plist, note: Any) -> dict[str, list[socket.socket]]:
    """Open what `Sockets` names; one that cannot be opened is left out and noted."""
    opened: dict[str, list[socket.socket]] = {}
    for name, wanted in content.get("Sockets", {}).items():
        for each in wanted if isinstance(wanted, list) else [wanted]:
            family = socket.AF_INET6 if each.get("SockFamily") == "IPv6" else socket.AF_INET
            listener = socket.socket(family, socket.SOCK_STREAM)
            try:
                listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
                listener.bind((each.get("SockNodeName", ""), int(each["SockServiceName"])))
                listener.listen(128)
            except OSError as error:
                listener.close()
                note(event="socket", name=name, error=str(error))
                continue
            opened.setdefault(name, []).append(listener)
    return opened


def restarts(content: Plist, code: int) -> bool:
    """Tell whether KeepAlive wants another run after an exit code, negative for a signal."""
    keep = content.get("KeepAlive", False)
    if isinstance(keep, bool):
        return keep
    crashed = -code in (4, 5, 6, 7, 8, 11, 31)
    wishes = []
    if "SuccessfulExit" in keep:
        wishes.append((code == 0) == keep["SuccessfulExit"])
    if "Crashed" in keep:
        wishes.append(crashed == keep["Crashed"])
    return any(wishes)
