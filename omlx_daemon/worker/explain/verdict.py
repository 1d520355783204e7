"""The one cause of a miss, from what the cache found and what the prompts say. Pure."""

from __future__ import annotations

from dataclasses import dataclass

from omlx_cli.contract.misses import MissCause
from omlx_daemon.core.events import Miss
from omlx_daemon.worker.cache.plan import Stop
from omlx_daemon.worker.explain.history import Kin
from omlx_daemon.worker.explain.lines import Lines, likeness

WORTH_TOKENS = 8
"""Fewer tokens are no miss: the end of an answer is often told otherwise than it was generated."""

_OF_STOP = {
    Stop.EVICTED: MissCause.EVICTED,
    Stop.GATE: MissCause.BELOW_GATE,
    Stop.LOST: MissCause.DAMAGED,
    Stop.NO_CHECKPOINT: MissCause.NO_CHECKPOINT,
}


@dataclass(frozen=True, slots=True)
class Found:
    """What the cache had of a prompt."""

    stop: Stop
    prompt_tokens: int
    position: int
    """Tokens that were restored."""
    reach: int
    """Tokens up to which stored blocks agree with the prompt, restored or not."""
    block: bytes = b""
    """Hash of the block that would have been next."""

    @property
    def left_tokens(self) -> int:
        """Tokens that were not restored and could have been."""
        return max(0, self.prompt_tokens - 1 - self.position)


def verdict(found: Found, kin: Kin | None) -> Miss:
    """Return why no more than `found` was reused of a prompt whose most alike predecessor is `kin`."""
    if found.stop is Stop.OFF:
        return Miss(cause=MissCause.OFF)
    if found.left_tokens == 0:
        return Miss(cause=MissCause.NONE, at_tokens=found.position)
    if kin is None:
        return _by_cache(found)
    of_cache = max(0, min(kin.at_tokens, found.prompt_tokens - 1) - found.position)
    # Another prompt may have left more of this one than the most alike did.
    lost_tokens = kin.at_tokens + kin.lost_tokens - max(kin.at_tokens, found.position)
    if lost_tokens >= max(WORTH_TOKENS, of_cache):
        cause, detail = kin.finding
        return _told(found, kin, cause, detail, lost_tokens, kin.at_tokens)
    if of_cache < WORTH_TOKENS:
        return _by_cache(found)
    return _told(found, kin, _why_less(found, kin), "", of_cache, found.position)


def by_stored(miss: Miss, now: Lines, earlier_text: str, now_text: str) -> Miss:
    """Return `miss`, of which no earlier prompt is known, judged by the stored block that goes on otherwise."""
    goes_on = likeness(now_text, earlier_text) > 0
    cause, detail = now.volatile(certain=goes_on) or (MissCause.NONE, "")
    if not cause.is_miss:
        return miss
    return Miss(
        cause=cause,
        at_tokens=miss.at_tokens,
        avoidable_tokens=miss.avoidable_tokens,
        detail=detail,
        now=now_text,
        earlier=earlier_text,
        block=miss.block,
    )


def _by_cache(found: Found) -> Miss:
    cause = _OF_STOP.get(found.stop)
    # How much was stored behind an evicted block is not known: at most all of the prompt.
    reached = found.reach if found.reach > found.position else found.prompt_tokens - 1
    if cause is None or reached - found.position < WORTH_TOKENS:
        return Miss(cause=_no_miss(found), at_tokens=found.position, block=found.block)
    return Miss(cause=cause, at_tokens=found.position, avoidable_tokens=reached - found.position, block=found.block)


def _no_miss(found: Found) -> MissCause:
    return MissCause.NONE if found.position else MissCause.NEW_PROMPT


def _why_less(found: Found, kin: Kin) -> MissCause:
    """Return why less is stored than the earlier request had in common with this one."""
    cause = _OF_STOP.get(found.stop)
    if cause is not None:
        return cause
    if not kin.record.stored:
        return MissCause.NOT_STORED
    return MissCause.EVICTED if kin.record.is_done else MissCause.NOT_COMMITTED


def _told(found: Found, kin: Kin, cause: MissCause, detail: str, avoidable_tokens: int, at_tokens: int) -> Miss:
    at_difference = at_tokens == kin.at_tokens
    return Miss(
        cause=cause,
        at_tokens=at_tokens,
        avoidable_tokens=avoidable_tokens,
        detail=detail,
        before=kin.window.before if at_difference else "",
        now=kin.window.now if at_difference else "",
        earlier=kin.window.earlier if at_difference else "",
        compared_with=kin.record.id,
        is_own=True,
        block=found.block,
    )
