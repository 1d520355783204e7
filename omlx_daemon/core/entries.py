"""Records of `logging` as entries of the daemon's log, each with the request that it concerns."""

from __future__ import annotations

import logging
from datetime import datetime

from omlx_cli.contract import logline
from omlx_cli.contract.logline import Entry

_REQUEST, _SOURCE = "omlx_request", "omlx_source"
_OURS = "omlx_daemon."
_MOST_NAMED = 32


def about(*requests: str, source: str = "") -> dict[str, str]:
    """Return the `extra` of a record that concerns requests; `source` where somebody else said it.

    Of a large batch the first are named: how each request ended is an entry of its own.
    """
    return {_REQUEST: ",".join(requests[:_MOST_NAMED]), **({_SOURCE: source} if source else {})}


class EntryFormatter(logging.Formatter):
    """Writes records the way `omlx logs` reads them."""

    def format(self, record: logging.LogRecord) -> str:
        """Return the entry, with the traceback below it where there is one."""
        return logline.render(
            Entry(
                at=datetime.fromtimestamp(record.created).astimezone().isoformat(timespec="milliseconds"),
                level=record.levelname.lower(),
                source=getattr(record, _SOURCE, "") or record.name.removeprefix(_OURS),
                request=getattr(record, _REQUEST, ""),
                message=record.getMessage() + self._below(record),
            )
        )

    def _below(self, record: logging.LogRecord) -> str:
        parts = [self.formatException(record.exc_info)] if record.exc_info else []
        parts += [self.formatStack(record.stack_info)] if record.stack_info else []
        return "".join(f"\n{part}" for part in parts)
