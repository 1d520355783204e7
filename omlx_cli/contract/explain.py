"""Why prompts were not reused, request by request: `omlx cache explain`."""

from __future__ import annotations

import msgspec

from omlx_cli.contract.api import Reply
from omlx_cli.contract.misses import MissCause


class Explanation(msgspec.Struct, frozen=True, kw_only=True):
    """What became of one prompt. Texts are a few tokens; empty where they are not known, or not the caller's to see."""

    request: str
    model: str
    client: str = ""
    at: str = ""
    """RFC 3339 UTC."""
    prompt_tokens: int = 0
    cached_hot_tokens: int = 0
    cached_cold_tokens: int = 0
    recomputed_tokens: int = 0
    cause: MissCause = MissCause.NONE
    meaning: str = ""
    """The cause in a sentence."""
    detail: str = ""
    """What exactly, such as the name of the header."""
    advice: str = ""
    at_tokens: int = 0
    """Prompt tokens before the place where this prompt and the one that it is compared with part; reuse may have gone
    further where some other prompt has more in common with it."""
    avoidable_tokens: int = 0
    """Tokens computed that an earlier, like prompt had computed before; an estimate."""
    before: str = ""
    """The text just before that place, the same in both prompts."""
    now: str = ""
    """How this prompt goes on there."""
    earlier: str = ""
    """How the earlier one went on there."""
    compared_with: str = ""
    """The earlier request's id."""


class ExplainReply(Reply, frozen=True, kw_only=True):
    """`GET /omlx/v1/cache/explain`. Without a request asked for: the last that computed more than it had to."""

    explanation: Explanation | None = None
    """None where no request has."""
    requests: int = 0
    """How many of the last requests are remembered."""
