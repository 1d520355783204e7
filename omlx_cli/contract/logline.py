"""The daemon's log: how an entry is written, and how it is read again.

An entry is one line, `TIME LEVEL SOURCE [REQUEST]: MESSAGE`; what follows in the message is indented below it, so that
no message can pass for another entry. The request is left out where an entry concerns none.
"""

from __future__ import annotations

import re

import msgspec

LEVELS = ("debug", "info", "warning", "error")
"""From the least grave to the gravest, as `daemon.log_level` and `omlx logs --level` spell them."""

INDENT = "  "
_LEVEL_WIDTH = len("warning")
_ENTRY = re.compile(
    r"(?P<at>\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}[+-]\d\d:\d\d) (?P<level>[A-Z]+) +"
    r"(?P<source>[^\s:]+)(?: \[(?P<request>[^\s\]]+)\])?: (?P<message>.*)"
)
_CONTROLS = {code: f"\\x{code:02x}" for code in (*range(0x20), *range(0x7F, 0xA0)) if chr(code) not in "\t\n"}
"""What a client sent may stand in a message, and must not steer the terminal of whoever reads it."""


class Entry(msgspec.Struct, frozen=True, kw_only=True):
    """One entry of the log."""

    at: str = ""
    """RFC 3339 with the offset of local time; empty for a line that is no entry of ours."""
    level: str = "info"
    source: str = ""
    """The part of the daemon that wrote it, such as `pool.worker`."""
    request: str = ""
    """The id of the request that it concerns, several with commas between them, or empty."""
    message: str = ""


def render(entry: Entry) -> str:
    """Return the entry as it stands in the file, without the last newline."""
    request = f" [{entry.request}]" if entry.request else ""
    message = entry.message.translate(_CONTROLS).replace("\n", f"\n{INDENT}")
    return f"{entry.at} {entry.level.upper().ljust(_LEVEL_WIDTH)} {entry.source}{request}: {message}"


def parse(line: str) -> Entry | None:
    """Return the entry that begins with `line`; None for what belongs to the one before."""
    found = _ENTRY.fullmatch(line)
    if found is None:
        return None
    return Entry(
        at=found["at"],
        level=found["level"].lower(),
        source=found["source"],
        request=found["request"] or "",
        message=found["message"],
    )


def rank(level: str) -> int:
    """Return how grave a level is; one that is not ours counts as the gravest."""
    return LEVELS.index(level) if level in LEVELS else len(LEVELS)
