"""One streamed answer of a model: what is asked, and what comes back."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping, Sequence

import msgspec

from omlx_cli.client import Client, error_of
from omlx_cli.contract import routes
from omlx_cli.contract.errors import Code, OmlxError

_DATA = b"data:"
_DONE = b"[DONE]"


class Message(msgspec.Struct, frozen=True):
    """One turn of a chat."""

    role: str
    content: str


class PromptDetails(msgspec.Struct, frozen=True):
    """Where the prompt's tokens came from."""

    cached_tokens: int = 0


class Usage(msgspec.Struct, frozen=True):
    """The tokens that an answer cost."""

    prompt_tokens: int = 0
    completion_tokens: int = 0
    prompt_tokens_details: PromptDetails | None = None

    @property
    def cached_tokens(self) -> int:
        """Prompt tokens that were not computed again."""
        return self.prompt_tokens_details.cached_tokens if self.prompt_tokens_details else 0


class Timings(msgspec.Struct, frozen=True):
    """What the caller waited, in seconds, and the pace of the tokens after the first."""

    first_token_s: float
    total_s: float
    tokens_per_s: float


class _Delta(msgspec.Struct, frozen=True):
    content: str | None = None
    reasoning_content: str | None = None
    warning: str | None = None


class _Choice(msgspec.Struct, frozen=True):
    delta: _Delta = _Delta()
    text: str | None = None
    finish_reason: str | None = None


class _Chunk(msgspec.Struct, frozen=True):
    choices: tuple[_Choice, ...] = ()
    usage: Usage | None = None
    error: dict[str, object] | None = None


class Answer:
    """A model's answer while it streams; iterate over its text once, then read the rest.

    `hear` is told each piece of the model's reasoning as it comes.
    """

    def __init__(self, lines: Iterator[bytes]) -> None:
        self.hear: Callable[[str], None] = _forget
        self._lines = lines
        self._started_s = time.monotonic()
        self._first_s = 0.0
        self._last_s = 0.0
        self.text = ""
        self.reasoning = ""
        self.warning = ""
        self.finish_reason = ""
        self.usage = Usage()

    def __iter__(self) -> Iterator[str]:
        for event in _events(self._lines):
            chunk = _chunk(event)
            self.usage = chunk.usage or self.usage
            for choice in chunk.choices:
                self.finish_reason = choice.finish_reason or self.finish_reason
                self.warning = choice.delta.warning or self.warning
                self._reason(choice.delta.reasoning_content or "")
                piece = choice.delta.content or choice.text
                if piece:
                    self._came()
                    self.text += piece
                    yield piece

    def _reason(self, piece: str) -> None:
        if piece:
            self._came()
            self.reasoning += piece
            self.hear(piece)

    def _came(self) -> None:
        self._last_s = time.monotonic()
        self._first_s = self._first_s or self._last_s

    def timings(self) -> Timings:
        """Return the times so far."""
        decode_s = self._last_s - self._first_s
        later_tokens = max(0, self.usage.completion_tokens - 1)
        return Timings(
            first_token_s=max(0.0, self._first_s - self._started_s),
            total_s=time.monotonic() - self._started_s,
            tokens_per_s=later_tokens / decode_s if decode_s > 0 else 0.0,
        )


def _forget(piece: str) -> None:
    """Hear nothing."""


def chat(client: Client, model: str, messages: Sequence[Message], options: Mapping[str, object]) -> Answer:
    """Return the model's answer to `messages`; `options` go into the request as they are."""
    return _ask(client, routes.CHAT_COMPLETIONS, {"model": model, "messages": list(messages), **options})


def complete(client: Client, model: str, prompt: str, options: Mapping[str, object]) -> Answer:
    """Return how the model continues `prompt`, without its chat template."""
    return _ask(client, routes.COMPLETIONS, {"model": model, "prompt": prompt, **options})


def _ask(client: Client, route: str, body: dict[str, object]) -> Answer:
    return Answer(client.lines(route, {**body, "stream": True, "stream_options": {"include_usage": True}}))


def _events(lines: Iterator[bytes]) -> Iterator[bytes]:
    """Yield the data of each server-sent event up to the end mark. Raises OmlxError where that is missing."""
    for line in lines:
        if line.startswith(_DATA):
            data = line.removeprefix(_DATA).strip()
            if data == _DONE:
                return
            yield data
    raise OmlxError(Code.DAEMON_UNREACHABLE, "the answer broke off before its end", "omlx logs  tells why")


def _chunk(event: bytes) -> _Chunk:
    try:
        chunk = msgspec.json.decode(event, type=_Chunk)
    except msgspec.DecodeError as error:
        raise OmlxError(Code.INTERNAL, f"the daemon's answer cannot be read: {error}") from error
    if chunk.error is not None:
        raise error_of(event, 500)
    return chunk
