"""An entry as a terminal shows it, or a pipe gets it."""

from __future__ import annotations

import sys

from omlx_cli.log.records import Record
from omlx_cli.output import printable, styled

_COLOURED = ("warning", "error", "critical")


def shown(record: Record) -> str:
    """Return the entry's lines: as they are, or with the level in its colour where stdout shows colours."""
    if not sys.stdout.isatty():
        return record.text
    text, level = printable(record.text), record.entry.level
    if level not in _COLOURED or record.is_rest:
        return text
    return text.replace(level.upper(), styled(level.upper(), sys.stdout, level), 1)
