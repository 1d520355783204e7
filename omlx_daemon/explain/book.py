"""The explanations of the last requests."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Iterator

import msgspec

from omlx_cli.contract.errors import Code, OmlxError
from omlx_cli.contract.explain import Explanation

MAX_REQUESTS = 256


class Entry(msgspec.Struct, frozen=True, kw_only=True):
    """One of them, and whether its texts are its own client's."""

    explanation: Explanation
    is_own: bool = False


class Book:
    """Event loop only. In memory alone."""

    def __init__(self, max_requests: int = MAX_REQUESTS) -> None:
        self._max_requests = max_requests
        self._entries: OrderedDict[str, Entry] = OrderedDict()

    def write(self, entry: Entry) -> None:
        """Remember a request in place of the oldest."""
        self._entries[entry.explanation.request] = entry
        if len(self._entries) > self._max_requests:
            self._entries.popitem(last=False)

    def of(self, request_id: str) -> Entry | None:
        """Return the entry of one sequence."""
        return self._entries.get(request_id)

    def find(self, request_id: str, sees: Callable[[str], bool]) -> Entry:
        """Return the entry of a request or a sequence that `sees` allows by its client. Raises OmlxError(NOT_FOUND)."""
        for entry in self._seen(sees):
            own = entry.explanation.request
            if request_id in (own, own.rpartition(".")[0]):
                return entry
        message = f"nothing is remembered of a request {request_id[:200]!r}"
        raise OmlxError(Code.NOT_FOUND, message, "omlx cache explain  shows the last that could do better")

    def last_miss(self, sees: Callable[[str], bool]) -> Entry | None:
        """Return the last request that computed more than it had to, of those that `sees` allows by their clients."""
        found = (entry for entry in self._seen(sees) if entry.explanation.cause.is_miss)
        return next((entry for entry in found if entry.explanation.avoidable_tokens > 0), None)

    def count(self, sees: Callable[[str], bool]) -> int:
        """Return how many are remembered that `sees` allows."""
        return sum(1 for _ in self._seen(sees))

    def _seen(self, sees: Callable[[str], bool]) -> Iterator[Entry]:
        return (entry for entry in reversed(self._entries.values()) if sees(entry.explanation.client))
