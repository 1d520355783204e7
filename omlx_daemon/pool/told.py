"""How models and requests fare, in words for a journal."""

from __future__ import annotations

from omlx_cli.contract.api import StuckWorker
from omlx_cli.contract.errors import Code, ErrorBody
from omlx_cli.contract.live import HappeningKind
from omlx_daemon.core.events import Failed, Finished, Terminal, Usage
from omlx_daemon.core.journal import Journal

_REFUSALS = frozenset({Code.QUEUE_FULL, Code.MEMORY_BUSY, Code.INSUFFICIENT_MEMORY, Code.SHUTTING_DOWN})


def loaded(journal: Journal, model: str, seconds: float, size_bytes: int) -> None:
    """Tell of a model that is ready."""
    journal.note(HappeningKind.LOADED, f"{model} was loaded in {seconds:.1f} s", model=model, size_bytes=size_bytes)


def not_loaded(journal: Journal, model: str, error: ErrorBody, *, unwanted: bool) -> None:
    """Tell of a load that came to nothing; `unwanted` where it was given up."""
    if unwanted:
        journal.note(HappeningKind.UNLOADED, f"the load of {model} was given up: {error.message}", model=model)
    elif error.code in _REFUSALS:
        journal.note(HappeningKind.REFUSED, error.message, model=model)
    else:
        journal.note(HappeningKind.CRASHED, f"{model} was not loaded: {error.message}", model=model)


def unloaded(journal: Journal, model: str, reason: ErrorBody) -> None:
    """Tell of a model that is gone, and why."""
    journal.note(HappeningKind.UNLOADED, reason.message, model=model)


def crashed(journal: Journal, model: str, error: ErrorBody) -> None:
    """Tell of a worker that died unasked."""
    journal.note(HappeningKind.CRASHED, error.message, model=model)


def stuck(journal: Journal, row: StuckWorker) -> None:
    """Tell of a worker that makes no step."""
    message = f"{row.model} is stuck: no step for {row.stuck_s:.0f} s"
    journal.note(HappeningKind.STUCK, message, model=row.model, request=row.request)


def refused(journal: Journal, request: str, model: str, error: ErrorBody) -> None:
    """Tell of a request that was turned away."""
    journal.note(HappeningKind.REFUSED, error.message, model=model, request=request)


def ended(journal: Journal, request: str, model: str, terminal: Terminal | None) -> None:
    """Tell how a request ended; None where its client left before it did."""
    match terminal:
        case Finished(usage=usage):
            journal.note(HappeningKind.FINISHED, f"{_sums(usage)} ({model})", model=model, request=request)
        case Failed(error=error) if error.code in _REFUSALS:
            refused(journal, request, model, error)
        case Failed(error=error) if error.code is not Code.CANCELLED:
            journal.note(HappeningKind.FAILED, f"{model}: {error.message}", model=model, request=request)
        case _:
            message = terminal.error.message if terminal else "the client left"
            journal.note(HappeningKind.CANCELLED, f"{model}: {message}", model=model, request=request)


def _sums(usage: Usage) -> str:
    hot, cold = usage.cached_hot_tokens, usage.cached_cold_tokens
    parts = [f"{tokens:,} from {tier}" for tokens, tier in ((hot, "RAM"), (cold, "SSD")) if tokens]
    reused = ", ".join(parts) or "none reused"
    return f"{usage.prompt_tokens:,} in ({reused}), {usage.completion_tokens:,} out"
