"""How much of a request's prompts came from which tier: in its usage, and as a header of its response."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import msgspec

from omlx_cli.contract.misses import MissCause
from omlx_daemon.api.streaming import Headers
from omlx_daemon.core.events import Event, Finished, Miss, Prefill, Queued, Usage

HEADER = b"x-omlx-cache"
MISS_HEADER = b"x-omlx-cache-miss"


class Missed(msgspec.Struct, frozen=True, kw_only=True):
    """Why more of a prompt was computed than had to be, from which token on, and how much, about."""

    cause: MissCause
    at_tokens: int
    avoidable_tokens: int


class Reuse(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """Prompt tokens by where their KV came from. A prompt counts once, however many choices it has."""

    cached_hot_tokens: int
    cached_cold_tokens: int
    recomputed_tokens: int
    miss: Missed | None = None
    """Of the first prompt that has one; left out where nothing was missed."""

    def headers(self) -> Headers:
        """Return the response headers, such as `x-omlx-cache: hot=512 cold=0 recomputed=31`, and where something was
        missed `x-omlx-cache-miss: cause=counter at=512 avoidable=31`."""
        text = f"hot={self.cached_hot_tokens} cold={self.cached_cold_tokens} recomputed={self.recomputed_tokens}"
        found = [(HEADER, text.encode())]
        if self.miss is not None:
            miss = f"cause={self.miss.cause} at={self.miss.at_tokens} avoidable={self.miss.avoidable_tokens}"
            found.append((MISS_HEADER, miss.encode()))
        return found


def reuse_of(usages: Sequence[Usage], choices: int) -> Reuse:
    """Return the sum of `usages`, which hold `choices` sequences for each prompt in turn.

    Later choices find what the first of their prompt computed: the one that found least tells the truth.
    """
    groups = (usages[start : start + choices] for start in range(0, len(usages), choices))
    return _total([min(group, key=lambda usage: usage.cached_tokens) for group in groups])


def reuse_so_far(events: Iterable[tuple[int, Event]], sequences: int, choices: int) -> Reuse | None:
    """Return what `events` tell by sequence; None until each prompt's first choice has told."""
    told: dict[int, Usage] = {}
    for index, event in events:
        match event:
            case Prefill():
                before = told.get(index)
                told[index] = Usage(
                    prompt_tokens=event.total_tokens,
                    cached_hot_tokens=event.cached_hot_tokens,
                    cached_cold_tokens=event.cached_cold_tokens,
                    miss=event.miss or (before.miss if before else None),
                )
            case Finished():
                told[index] = event.usage
            case _:
                pass
    firsts = range(0, sequences, choices)
    return _total([told[index] for index in firsts]) if all(index in told for index in firsts) else None


def is_soon(events: Iterable[tuple[int, Event]], sequences: int) -> bool:
    """Return whether the reuse will be told before anything else is: nobody stands before these sequences."""
    return all(isinstance(event, Prefill) or _is_next(event, sequences) for _, event in events)


def _is_next(event: Event, sequences: int) -> bool:
    return isinstance(event, Queued) and event.position < sequences


def _total(parts: Sequence[Usage]) -> Reuse:
    hot = sum(usage.cached_hot_tokens for usage in parts)
    cold = sum(usage.cached_cold_tokens for usage in parts)
    return Reuse(
        cached_hot_tokens=hot,
        cached_cold_tokens=cold,
        recomputed_tokens=sum(usage.prompt_tokens for usage in parts) - hot - cold,
        miss=next((missed for usage in parts if (missed := _missed(usage.miss))), None),
    )


def _missed(miss: Miss | None) -> Missed | None:
    """Return what is told to whoever reads the answer: no text of any prompt."""
    if miss is None or not miss.cause.is_miss:
        return None
    return Missed(cause=miss.cause, at_tokens=miss.at_tokens, avoidable_tokens=miss.avoidable_tokens)
