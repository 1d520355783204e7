"""What the dashboard asks of the daemon, each a call that waits for its answer; for threads of their own."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Protocol

from omlx_cli.contract import routes
from omlx_cli.contract.api import Done, LoadBody, ModelBody, ModelInfo, ModelsReply, SlotReply, UnloadBody
from omlx_cli.contract.cache import PruneBody, PruneReport
from omlx_cli.contract.units import format_bytes
from omlx_cli.top import figures

if TYPE_CHECKING:
    from omlx_cli.client import Client
    from omlx_cli.lifecycle import Lifecycle


class Control(Protocol):
    """What the keys do. Every method waits, answers in a sentence or a reply, and raises OmlxError."""

    def start(self) -> str:
        """Start the daemon."""
        ...

    def models(self) -> tuple[ModelInfo, ...]:
        """Return the models on disk."""
        ...

    def load(self, model: str) -> str:
        """Load a model."""
        ...

    def unload(self, model: str, force: bool) -> str:
        """Unload a model; `force` ends its requests, and takes a pinned one too."""
        ...

    def pin(self, model: str, keep: bool) -> str:
        """Pin a model, or let go of it."""
        ...

    def cancel(self, request: str) -> str:
        """Cancel a request."""
        ...

    def prune(self, older_than: str, dry_run: bool) -> PruneReport:
        """Remove blocks that were not used for so long, or say what would go."""
        ...


class DaemonControl:
    """Implements `Control` over the daemon's routes. What it works with is made when it is first needed."""

    def __init__(self, client: Callable[[], Client], lifecycle: Callable[[], Lifecycle]) -> None:
        self._client = client
        self._lifecycle = lifecycle

    def start(self) -> str:
        """Start the daemon."""
        return f"omlx {self._lifecycle().ensure().version} is running"

    def models(self) -> tuple[ModelInfo, ...]:
        """Return the models on disk."""
        return self._client().get(routes.MODELS, ModelsReply).models

    def load(self, model: str) -> str:
        """Load a model."""
        row = self._client().post(routes.LOAD, LoadBody(model=model), SlotReply, timeout_s=None).model
        return f"loaded {row.name}" + (f" ({format_bytes(row.size_bytes)})" if row.size_bytes else "")

    def unload(self, model: str, force: bool) -> str:
        """Unload a model."""
        body = UnloadBody(model=model, force=force)
        return self._client().post(routes.UNLOAD, body, Done, timeout_s=None).message or f"unloaded {model}"

    def pin(self, model: str, keep: bool) -> str:
        """Pin a model, or let go of it."""
        route = routes.PIN if keep else routes.UNPIN
        reply = self._client().post(route, ModelBody(model=model), dict[str, object])
        return str(reply.get("message") or f"{'pinned' if keep else 'unpinned'} {model}")

    def cancel(self, request: str) -> str:
        """Cancel a request."""
        from urllib.parse import quote

        return self._client().delete(f"{routes.REQUESTS}/{quote(request, safe='')}", Done).message

    def prune(self, older_than: str, dry_run: bool) -> PruneReport:
        """Remove blocks that were not used for so long, or say what would go."""
        body = PruneBody(older_than=older_than, dry_run=dry_run)
        return self._client().post(routes.CACHE_PRUNE, body, PruneReport, timeout_s=None)


def amount(report: PruneReport) -> str:
    """Return what a report counts, such as `12 files, 34.5 MB`."""
    return f"{figures.count(report.files)} file{'' if report.files == 1 else 's'}, {format_bytes(report.size_bytes)}"
