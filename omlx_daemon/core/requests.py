"""What a caller asks of a model, whatever dialect it was asked in."""

from __future__ import annotations

from enum import StrEnum

import msgspec


class _Value(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    pass


class Message(_Value, frozen=True, kw_only=True):
    """One turn of a chat."""

    role: str
    content: str = ""
    name: str = ""
    reasoning: str = ""
    tool_calls: tuple[dict[str, object], ...] = ()
    tool_call_id: str = ""


class ChatPrompt(_Value, frozen=True, kw_only=True, tag="chat"):
    """Messages for the model's chat template."""

    messages: tuple[Message, ...]
    tools: tuple[dict[str, object], ...] = ()
    """Each as OpenAI spells it: `{"type": "function", "function": {"name", "description", "parameters"}}`."""
    template_kwargs: dict[str, object] = {}
    continues: bool = False
    """The last message is the beginning of the answer, which goes on from there."""
    system_in_place: bool = False
    """System messages of the middle are rendered there, as marked user turns where the template has no place for
    them."""


class TextPrompt(_Value, frozen=True, kw_only=True, tag="text"):
    """Text that is tokenised as it is."""

    text: str


class TokenPrompt(_Value, frozen=True, kw_only=True, tag="tokens"):
    """Token ids that are used as they are."""

    token_ids: tuple[int, ...]


class SystemPrompt(_Value, frozen=True, kw_only=True, tag="system"):
    """The tokens that every chat with this system text begins with."""

    system: str
    template_kwargs: dict[str, object] = {}


Prompt = ChatPrompt | TextPrompt | TokenPrompt | SystemPrompt


class Sampling(_Value, frozen=True, kw_only=True):
    """How the next token is chosen. None leaves a value to the model's own defaults."""

    temperature: float | None = None
    top_p: float | None = None
    top_k: int | None = None
    min_p: float | None = None
    repetition_penalty: float | None = None
    presence_penalty: float | None = None
    frequency_penalty: float | None = None
    seed: int | None = None
    logit_bias: dict[int, float] = {}
    logprobs: int | None = None
    """Alternatives to report for each token; 0 is the chosen token alone, None is no report."""
    stop: tuple[str, ...] = ()
    stop_token_ids: tuple[int, ...] = ()
    max_tokens: int | None = None
    ignore_eos: bool = False


class Priority(StrEnum):
    """Classes of urgency."""

    INTERACTIVE = "interactive"
    NORMAL = "normal"
    BATCH = "batch"


class ToolMode(StrEnum):
    """Whether an answer may, must or must not call tools."""

    AUTO = "auto"
    NONE = "none"
    REQUIRED = "required"
    NAMED = "named"


class ToolChoice(_Value, frozen=True, kw_only=True):
    """What an answer does with the prompt's tools; `name` is the tool that a named choice must call."""

    mode: ToolMode = ToolMode.AUTO
    name: str = ""
    parallel: bool = True
    """Whether an answer may call more than one."""


class ResponseFormat(_Value, frozen=True, kw_only=True):
    """JSON that an answer must be; without a `schema` any object will do."""

    schema: dict[str, object] | None = None
    strict: bool = True
    """Enforced while decoding. False is the client's wish that nothing but JSON itself is enforced."""


class ReasoningOptions(_Value, frozen=True, kw_only=True):
    """What the caller wants of the model's reasoning; None and empty leave it to the model's template."""

    enabled: bool | None = None
    effort: str = ""
    """Such as `low`, `medium` or `high`."""


class CachePolicy(_Value, frozen=True, kw_only=True):
    """What the prefix cache may do with a request."""

    salt: str = ""
    no_store: bool = False
    warm: bool = False
    """Compute the prompt and keep it; no answer is wanted."""
    compare: tuple[tuple[str, int], ...] = ()
    """Compute the prompt without anything that is stored, and compare these block files, which end at these positions,
    with it."""
    salt_digest: str = ""
    """What the files to compare tell of their salt. It finds nothing that is stored."""


class GenerationRequest(_Value, frozen=True, kw_only=True):
    """One sequence to generate. `id` is unique in the daemon."""

    id: str
    model: str
    prompt: Prompt
    sampling: Sampling = Sampling()
    cache: CachePolicy = CachePolicy()
    priority: Priority = Priority.NORMAL
    deadline_s: float | None = None
    """Seconds from its arrival in which it must be done, the wait for the model included."""
    keep_alive_s: float | None = None
    """Idle time that its model may stay in memory from now on; infinite is for ever, None changes nothing."""
    client: str = ""
    tool_choice: ToolChoice = ToolChoice()
    response_format: ResponseFormat | None = None
    reasoning: ReasoningOptions = ReasoningOptions()
    count_only: bool = False
    """Tokenise the prompt and tell its length; nothing is computed."""
    echo: bool = False
    """Give the prompt's own text back first (the completions dialect's `echo`)."""
