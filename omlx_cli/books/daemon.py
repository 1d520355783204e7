"""The books as the running daemon keeps them."""

from __future__ import annotations

from collections.abc import Iterator

import msgspec

from omlx_cli.client import ANSWER_TIMEOUT_S, Client
from omlx_cli.contract import routes
from omlx_cli.contract.api import Done
from omlx_cli.contract.cache import (
    CacheLabelBody,
    CacheList,
    CacheMetrics,
    CacheModelBody,
    CachePins,
    CacheStats,
    PruneBody,
    PruneReport,
    VerifyBody,
    VerifyDone,
    VerifyEvent,
    VerifyFailed,
    VerifyProgress,
)
from omlx_cli.contract.errors import Code, OmlxError

_EVENTS: msgspec.json.Decoder[VerifyEvent] = msgspec.json.Decoder(VerifyEvent)


class DaemonBooks:
    """Implements `Books` over the daemon's routes; `limit_s` bounds how long a verification may be silent."""

    def __init__(self, client: Client, limit_s: float | None = None) -> None:
        self._client = client
        self._limit_s = limit_s

    def stats(self) -> CacheStats:
        """Return the accounts."""
        return self._client.get(routes.CACHE_STATS, CacheStats, self._limit_s or ANSWER_TIMEOUT_S)

    def metrics(self) -> CacheMetrics | None:
        """Return what was reused."""
        return self._client.get(routes.CACHE_METRICS, CacheMetrics)

    def rows(self, model: str, incompatible: bool) -> CacheList:
        """Return the namespaces that are asked for."""
        from urllib.parse import urlencode

        given = {"model": model, "incompatible": "true" if incompatible else ""}
        query = urlencode({name: value for name, value in given.items() if value})
        return self._client.get(f"{routes.CACHE_LIST}?{query}" if query else routes.CACHE_LIST, CacheList)

    def prune(self, body: PruneBody) -> PruneReport:
        """Remove what matches, or say what would go."""
        return self._client.post(routes.CACHE_PRUNE, body, PruneReport, timeout_s=None)

    def clear(self, model: str) -> PruneReport:
        """Remove all blocks that are not pinned."""
        return self._client.post(routes.CACHE_CLEAR, CacheModelBody(model=model), PruneReport, timeout_s=None)

    def verify(self, body: VerifyBody) -> Iterator[VerifyProgress | VerifyDone]:
        """Check stored blocks."""
        for line in self._client.lines(routes.CACHE_VERIFY, body, self._limit_s):
            event = _decode(line) if line.strip() else None
            if isinstance(event, VerifyFailed):
                raise OmlxError.of(event.error)
            if event is not None:
                yield event

    def pins(self) -> CachePins:
        """Return the pinned prefixes."""
        return self._client.get(routes.CACHE_PINS, CachePins)

    def unpin(self, label: str) -> str:
        """Let a pinned prefix go."""
        return self._client.post(routes.CACHE_UNPIN, CacheLabelBody(label=label), Done).message


def _decode(line: bytes) -> VerifyProgress | VerifyDone | VerifyFailed:
    try:
        return _EVENTS.decode(line)
    except msgspec.DecodeError as error:
        raise OmlxError(Code.INTERNAL, f"the daemon's reply cannot be read: {error}") from error
