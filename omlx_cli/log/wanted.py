"""Which entries somebody wants to see."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import datetime

from omlx_cli.contract import logline
from omlx_cli.contract.logline import Entry

_PREFIX = re.compile(r"[a-z]+[-_]")


@dataclass(frozen=True, slots=True)
class Wanted:
    """`level` or worse, about one request, not before a moment; what is empty lets everything pass."""

    level: str = ""
    request: str = ""
    since: datetime | None = None

    @property
    def everything(self) -> bool:
        """Whether nothing is left out."""
        return not (self.level or self.request or self.since)

    def takes(self, entry: Entry) -> bool:
        """Tell whether an entry is wanted; a line that is no entry is, where everything is."""
        if self.everything:
            return True
        return bool(entry.at) and self._is_grave(entry) and self._concerns(entry) and self._is_recent(entry)

    def _is_grave(self, entry: Entry) -> bool:
        return not self.level or logline.rank(entry.level) >= logline.rank(self.level)

    def _concerns(self, entry: Entry) -> bool:
        wanted = _own(self.request)
        return not self.request or any(_own(one).startswith(wanted) for one in entry.request.split(","))

    def _is_recent(self, entry: Entry) -> bool:
        return self.since is None or datetime.fromisoformat(entry.at) >= self.since


def _own(request: str) -> str:
    """Return an id without what the dialects put before it: `req_1`, `chatcmpl-1` and `msg_1` are one request."""
    return _PREFIX.sub("", request, count=1)
