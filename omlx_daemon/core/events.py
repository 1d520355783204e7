"""What a generation yields. A stream is any number of steps, then exactly one `Finished` or `Failed`."""

from __future__ import annotations

from enum import StrEnum

import msgspec

from omlx_cli.contract.errors import ErrorBody
from omlx_cli.contract.misses import MissCause


class _Value(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    pass


class Loading(_Value, frozen=True, kw_only=True, tag="loading"):
    """The request waits for its model, of whose load this share is done, 0 to 1; the pool says so, never a worker."""

    share: float = 0.0


class Queued(_Value, frozen=True, kw_only=True, tag="queued"):
    """The request was tokenised, found valid and stands in line; the first event of its worker."""

    position: int = 0
    prompt_tokens: int = 0
    rules: tuple[str, ...] = ()
    """Rules of `contract.prompt_rules` that the worker had to apply, since its template asks for it."""


class Miss(_Value, frozen=True, kw_only=True):
    """Where reuse of a prompt ended, and why. Texts are a few tokens, decoded; empty where they are not known."""

    cause: MissCause
    at_tokens: int = 0
    """Prompt tokens before the place where it ended."""
    avoidable_tokens: int = 0
    """Prompt tokens that were computed and that an earlier, like prompt had computed before; an estimate."""
    detail: str = ""
    before: str = ""
    """What both prompts have just before that place."""
    now: str = ""
    """How this prompt goes on there."""
    earlier: str = ""
    """How the earlier one went on there."""
    compared_with: str = ""
    """Id of the earlier request; empty where stored blocks alone tell of it."""
    is_own: bool = False
    """Whether that was the same client's."""
    block: bytes = b""
    """Hash of the block that would have been next."""


class Prefill(_Value, frozen=True, kw_only=True, tag="prefill"):
    """Prompt tokens computed so far, of `total_tokens`; the cached ones came from a tier."""

    done_tokens: int
    total_tokens: int
    cached_hot_tokens: int = 0
    cached_cold_tokens: int = 0
    miss: Miss | None = None
    """In a request's first one alone."""


class Alternative(_Value, frozen=True, kw_only=True):
    """A token and its log probability; `text` is lossy where the token is no whole character."""

    text: str
    logprob: float
    token_bytes: bytes = b""
    token_id: int = 0


class TokenLogprob(_Value, frozen=True, kw_only=True):
    """The chosen token, and the likeliest ones beside it, best first."""

    chosen: Alternative
    top: tuple[Alternative, ...] = ()


class Text(_Value, frozen=True, kw_only=True, tag="text"):
    """A piece of the answer; `text` may be empty while a stop string or half a character is held back."""

    text: str
    token_ids: tuple[int, ...] = ()
    logprobs: tuple[TokenLogprob, ...] = ()


class Reasoning(_Value, frozen=True, kw_only=True, tag="reasoning"):
    """A piece of the model's reasoning."""

    text: str
    token_ids: tuple[int, ...] = ()


class ToolCall(_Value, frozen=True, kw_only=True, tag="tool_call"):
    """A call of a tool, or a piece of one.

    The first piece of a call carries `id` and `name`. The `arguments` of all pieces with one `index`, joined, are
    its JSON text.
    """

    id: str = ""
    name: str = ""
    arguments: str = ""
    index: int = 0
    """The call's place among the answer's calls."""
    token_ids: tuple[int, ...] = ()
    void: bool = False
    """The call cannot be read to its end: forget its pieces. Its whole text follows as `Text`."""


class FinishReason(StrEnum):
    """Why an answer ended."""

    STOP = "stop"
    LENGTH = "length"
    TOOL_CALLS = "tool_calls"


class Usage(_Value, frozen=True, kw_only=True):
    """What a request cost: tokens, and seconds by the worker's monotonic clock."""

    prompt_tokens: int = 0
    completion_tokens: int = 0
    cached_hot_tokens: int = 0
    cached_cold_tokens: int = 0
    stored_tokens: int = 0
    """Prompt tokens that were computed and are kept for the next prompt."""
    reasoning_tokens: int = 0
    miss: Miss | None = None
    queue_s: float = 0.0
    prefill_s: float = 0.0
    decode_s: float = 0.0

    @property
    def cached_tokens(self) -> int:
        """Prompt tokens that were not computed again."""
        return self.cached_hot_tokens + self.cached_cold_tokens


class Finished(_Value, frozen=True, kw_only=True, tag="finished"):
    """The answer is complete."""

    reason: FinishReason
    usage: Usage
    stop_text: str = ""
    """The stop string that ended it, if one did."""
    warnings: tuple[str, ...] = ()
    """What went wrong without harm to the answer, such as a tool call that cannot be read and was given as text."""
    blocks: tuple[bytes, ...] = ()
    """Hashes of the prompt's blocks, where a request does nothing but warm the cache."""
    differences: tuple[float, ...] = ()
    """How far each file that was to be compared is from what was computed, as a share of it; -1 for one not read."""


class Failed(_Value, frozen=True, kw_only=True, tag="failed"):
    """The answer cannot be completed."""

    error: ErrorBody
    usage: Usage = Usage()


Event = Loading | Queued | Prefill | Text | Reasoning | ToolCall | Finished | Failed
Terminal = Finished | Failed
