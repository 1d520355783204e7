"""Tokens of a whole request, from those of its sequences."""

from __future__ import annotations

from collections.abc import Sequence

from omlx_daemon.api.openai.replies import CompletionDetails, PromptDetails, UsageReply
from omlx_daemon.core.events import Usage


def usage_reply(usages: Sequence[Usage], choices: int) -> UsageReply:
    """Return the sum of `usages`, which hold `choices` sequences for each prompt in turn.

    A prompt counts once, however many choices it has; its cached tokens are those that even the first of them found.
    """
    prompts = [usages[start : start + choices] for start in range(0, len(usages), choices)]
    prompt_tokens = sum(group[0].prompt_tokens for group in prompts)
    completion_tokens = sum(usage.completion_tokens for usage in usages)
    return UsageReply(
        prompt_tokens=prompt_tokens,
        completion_tokens=completion_tokens,
        total_tokens=prompt_tokens + completion_tokens,
        prompt_tokens_details=PromptDetails(
            cached_tokens=sum(min(usage.cached_tokens for usage in group) for group in prompts)
        ),
        completion_tokens_details=CompletionDetails(reasoning_tokens=sum(usage.reasoning_tokens for usage in usages)),
    )
