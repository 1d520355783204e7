"""The books of the KV cache: kept by the daemon while it runs, else read by a child process that locks them.

The commands see one small interface and never start a daemon for it.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Protocol

from omlx_cli.contract.cache import (
    CacheList,
    CacheMetrics,
    CachePins,
    CacheStats,
    PruneBody,
    PruneReport,
    VerifyBody,
    VerifyDone,
    VerifyProgress,
)

if TYPE_CHECKING:
    from omlx_cli.env import Env


class Books(Protocol):
    """One cache directory. Every method raises OmlxError."""

    def stats(self) -> CacheStats:
        """Return the accounts of the SSD tier."""
        ...

    def metrics(self) -> CacheMetrics | None:
        """Return what was reused; None where no daemon runs that counts it."""
        ...

    def rows(self, model: str, incompatible: bool) -> CacheList:
        """Return the namespaces; of one model, or those that no model can use."""
        ...

    def prune(self, body: PruneBody) -> PruneReport:
        """Remove what matches, or say what would go."""
        ...

    def clear(self, model: str) -> PruneReport:
        """Remove all blocks that are not pinned, of one model or of all."""
        ...

    def verify(self, body: VerifyBody) -> Iterator[VerifyProgress | VerifyDone]:
        """Check stored blocks; progress, then how it ended."""
        ...

    def pins(self) -> CachePins:
        """Return the pinned prefixes."""
        ...

    def unpin(self, label: str) -> str:
        """Let a pinned prefix go; return what was done."""
        ...


def open_books(env: Env) -> Books:
    """Return the books through the daemon where one answers, else without it. Raises OmlxError."""
    if env.client.health() is not None:
        from omlx_cli.books.daemon import DaemonBooks

        return DaemonBooks(env.client)
    from omlx_cli.books.child import ChildBooks
    from omlx_cli.books.place import place

    return ChildBooks(place(env.settings.cache, env.paths), env.home)
