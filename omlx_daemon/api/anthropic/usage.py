"""Tokens as clients are told of them.

Anthropic's rule: the prompt is the sum of `input_tokens`, `cache_read_input_tokens` and `cache_creation_input_tokens`.
Read are the tokens that were restored, created those that were computed and are kept for the next prompt.

A client that believes in a context of 200,000 tokens compacts its conversation too late for a model of 32,768. With
`client_window` counts are told as shares of the window it believes in; the true ones stand beside them.
"""

from __future__ import annotations

import msgspec
from msgspec import UNSET

from omlx_daemon.api.anthropic.replies import AnthropicUsage, CacheCreation, OutputDetails, TrueUsage
from omlx_daemon.api.reuse import reuse_of
from omlx_daemon.api.streaming import Headers
from omlx_daemon.core.events import Usage

TRUE_INPUT = b"x-omlx-true-input-tokens"
TRUE_OUTPUT = b"x-omlx-true-output-tokens"


class Scale(msgspec.Struct, frozen=True):
    """How many tokens of a client's window one token of the model's context is; 0 in either is one for one."""

    window_tokens: int = 0
    context_tokens: int = 0

    def up(self, tokens: int) -> int:
        """Return `tokens` in the client's measure, a broken one as a whole."""
        return -(-tokens * self._window // self._context)

    def down(self, tokens: int) -> int:
        """Return `tokens` in the client's measure, a broken one left out."""
        return tokens * self._window // self._context

    @property
    def _window(self) -> int:
        return self.window_tokens if self.window_tokens and self.context_tokens else 1

    @property
    def _context(self) -> int:
        return self.context_tokens if self.window_tokens and self.context_tokens else 1


def usage_reply(usage: Usage, scale: Scale) -> AnthropicUsage:
    """Return `usage` in the client's measure, which keeps Anthropic's sum."""
    read, created = scale.down(usage.cached_tokens), scale.down(usage.stored_tokens)
    return AnthropicUsage(
        input_tokens=scale.up(usage.prompt_tokens) - read - created,
        cache_creation_input_tokens=created,
        cache_read_input_tokens=read,
        output_tokens=scale.up(usage.completion_tokens),
        cache_creation=CacheCreation(ephemeral_5m_input_tokens=created),
        output_tokens_details=OutputDetails(thinking_tokens=scale.down(usage.reasoning_tokens)),
        omlx=TrueUsage(
            input_tokens=usage.prompt_tokens,
            output_tokens=usage.completion_tokens,
            cached_hot_tokens=usage.cached_hot_tokens,
            cached_cold_tokens=usage.cached_cold_tokens,
            stored_tokens=usage.stored_tokens,
            miss=reuse_of([usage], 1).miss or UNSET,
        ),
    )


def true_headers(input_tokens: int, output_tokens: int | None = None) -> Headers:
    """Return the headers that tell true counts; that of the output once it is known."""
    told = [(TRUE_INPUT, str(input_tokens).encode())]
    return told if output_tokens is None else [*told, (TRUE_OUTPUT, str(output_tokens).encode())]
