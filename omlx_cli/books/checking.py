"""How a verification shows its progress."""

from __future__ import annotations

import sys
from collections.abc import Iterable

from omlx_cli.contract.cache import VerifyDone, VerifyProgress, VerifyReport
from omlx_cli.contract.errors import Code, OmlxError
from omlx_cli.output import Output

_CLEAR_LINE = "\r\x1b[K"


def follow(events: Iterable[VerifyProgress | VerifyDone], output: Output) -> VerifyReport:
    """Show the events as they come; return the report. Raises OmlxError where they break off."""
    counts = not output.quiet and not output.as_json and sys.stderr.isatty()
    try:
        for event in events:
            if output.as_json:
                output.record(event)
            if isinstance(event, VerifyDone):
                return event.report
            if counts:
                sys.stderr.write(f"{_CLEAR_LINE}checked {event.checked} of {event.total} blocks")
                sys.stderr.flush()
    finally:
        if counts:
            sys.stderr.write(_CLEAR_LINE)
    raise OmlxError(Code.CACHE_UNUSABLE, "the verification broke off", "omlx logs  may tell why")
