"""How much of a request's prompts came from which tier: in its usage, and as a header of its response."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import msgspec

from omlx_daemon.api.streaming import Headers
from omlx_daemon.core.events import Event, Finished, Prefill, Queued, Usage

HEADER = b"x-omlx-cache"


class Reuse(msgspec.Struct, frozen=True, kw_only=True):
    """Prompt tokens by where their KV came from. A prompt counts once, however many choices it has."""

    cached_hot_tokens: int
    cached_cold_tokens: int
    recomputed_tokens: int

    def headers(self) -> Headers:
        """Return the response header, such as `x-omlx-cache: hot=512 cold=0 recomputed=31`."""
        text = f"hot={self.cached_hot_tokens} cold={self.cached_cold_tokens} recomputed={self.recomputed_tokens}"
        return [(HEADER, text.encode())]


def reuse_of(usages: Sequence[Usage], choices: int) -> Reuse:
    """Return the sum of `usages`, which hold `choices` sequences for each prompt in turn.

    Later choices find what the first of their prompt computed: the one that found least tells the truth.
    """
    groups = (usages[start : start + choices] for start in range(0, len(usages), choices))
    least = [min(group, key=lambda usage: usage.cached_tokens) for group in groups]
    return _total((usage.cached_hot_tokens, usage.cached_cold_tokens, usage.prompt_tokens) for usage in least)


def reuse_so_far(events: Iterable[tuple[int, Event]], sequences: int, choices: int) -> Reuse | None:
    """Return what `events` tell by sequence; None until each prompt's first choice has told."""
    told: dict[int, tuple[int, int, int]] = {}
    for index, event in events:
        match event:
            case Prefill():
                told[index] = (event.cached_hot_tokens, event.cached_cold_tokens, event.total_tokens)
            case Finished():
                usage = event.usage
                told[index] = (usage.cached_hot_tokens, usage.cached_cold_tokens, usage.prompt_tokens)
            case _:
                pass
    firsts = range(0, sequences, choices)
    return _total(told[index] for index in firsts) if all(index in told for index in firsts) else None


def is_soon(events: Iterable[tuple[int, Event]], sequences: int) -> bool:
    """Return whether the reuse will be told before anything else is: nobody stands before these sequences."""
    return all(isinstance(event, Prefill) or _is_next(event, sequences) for _, event in events)


def _is_next(event: Event, sequences: int) -> bool:
    return isinstance(event, Queued) and event.position < sequences


def _total(parts: Iterable[tuple[int, int, int]]) -> Reuse:
    hot = cold = prompt = 0
    for hot_tokens, cold_tokens, prompt_tokens in parts:
        hot += hot_tokens
        cold += cold_tokens
        prompt += prompt_tokens
    return Reuse(cached_hot_tokens=hot, cached_cold_tokens=cold, recomputed_tokens=prompt - hot - cold)
