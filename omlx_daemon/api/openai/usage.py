"""Tokens of a whole request, from those of its sequences."""

from __future__ import annotations

from collections.abc import Sequence

from omlx_daemon.api.openai.replies import CompletionDetails, PromptDetails, UsageReply
from omlx_daemon.api.reuse import reuse_of
from omlx_daemon.core.events import Usage


def usage_reply(usages: Sequence[Usage], choices: int) -> UsageReply:
    """Return the sum of `usages`, which hold `choices` sequences for each prompt in turn.

    A prompt counts once, however many choices it has; its cached tokens are those that even the first of them found.
    """
    prompt_tokens = sum(usage.prompt_tokens for usage in usages[::choices])
    reuse = reuse_of(usages, choices)
    completion_tokens = sum(usage.completion_tokens for usage in usages)
    return UsageReply(
        prompt_tokens=prompt_tokens,
        completion_tokens=completion_tokens,
        total_tokens=prompt_tokens + completion_tokens,
        prompt_tokens_details=PromptDetails(
            cached_tokens=reuse.cached_hot_tokens + reuse.cached_cold_tokens,
            cache_write_tokens=sum(usage.stored_tokens for usage in usages),
        ),
        completion_tokens_details=CompletionDetails(reasoning_tokens=sum(usage.reasoning_tokens for usage in usages)),
        omlx=reuse,
    )
