"""How requests end, in the daemon's log: an entry for each, under its id; never a word of what was said."""

from __future__ import annotations

import logging

from omlx_cli.contract.errors import Code, ErrorBody
from omlx_cli.contract.units import format_duration
from omlx_daemon.core.entries import about
from omlx_daemon.core.events import Failed, Finished, Terminal, Usage

_OURS = frozenset({Code.GENERATION_FAILED, Code.WORKER_CRASHED, Code.WORKER_STUCK, Code.LOAD_FAILED, Code.INTERNAL})
"""Failures that are no client's fault, and that waiting does not mend."""

_log = logging.getLogger(__name__)


def ended(request: str, model: str, terminal: Terminal | None, total_s: float, ttft_s: float | None) -> None:
    """Log how a request ended; `terminal` None where its client left before it did. Times since its arrival."""
    match terminal:
        case Finished(usage=usage, reason=reason):
            text = f"{model}: {_tokens(usage)}; {_times(total_s, ttft_s)}, ended by {reason}"
            _log.info(text, extra=about(request))
        case Failed(error=error):
            _log.log(_gravity(error), "%s: %s after %s", model, _failure(error), _spent(total_s), extra=about(request))
        case _:
            _log.info("%s: the client left after %s", model, _spent(total_s), extra=about(request))


def _gravity(error: ErrorBody) -> int:
    return logging.WARNING if error.code in _OURS else logging.INFO


def _failure(error: ErrorBody) -> str:
    return error.message if error.code is Code.CANCELLED else f"failed: {error.message} ({error.code})"


def _tokens(usage: Usage) -> str:
    hot, cold = usage.cached_hot_tokens, usage.cached_cold_tokens
    reused = [f"{tokens} from {tier}" for tokens, tier in ((hot, "RAM"), (cold, "SSD")) if tokens]
    return (
        f"prompt {usage.prompt_tokens} tokens ({', '.join(reused) or 'none reused'}), answer {usage.completion_tokens}"
    )


def _times(total_s: float, ttft_s: float | None) -> str:
    first = "" if ttft_s is None else f"first token after {_spent(ttft_s)}, "
    return f"{first}{_spent(total_s)} in all"


def _spent(seconds: float) -> str:
    return f"{seconds:.2f} s" if seconds < 60 else format_duration(seconds)
