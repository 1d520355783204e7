"""What the engine needs of a backend. Everything here is called on the engine thread unless it says otherwise."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Protocol

from omlx_daemon.core.requests import ChatPrompt
from omlx_daemon.core.templates import TemplateTraits
from omlx_daemon.worker.engine.detokenize import Detokenizer
from omlx_daemon.worker.engine.kvshape import KvShape
from omlx_daemon.worker.engine.plan import SamplingDefaults, SamplingPlan
from omlx_daemon.worker.grammar.rules import Grammar
from omlx_daemon.worker.parsing.style import AnswerStyle

BLOCK_TOKENS = 256
"""The prefix cache's unit; prefill chunks end on its multiples."""


class BatchLostError(Exception):
    """The running batch is damaged: every row in it is lost and the runner needs a reset."""


@dataclass(frozen=True, slots=True)
class ModelFacts:
    """What a loaded model allows. `context_tokens` 0 is without a known limit."""

    context_tokens: int
    vocabulary_tokens: int
    eos_ids: frozenset[int] = frozenset()
    defaults: SamplingDefaults = field(default_factory=SamplingDefaults)
    traits: TemplateTraits = field(default_factory=TemplateTraits)
    style: AnswerStyle = field(default_factory=AnswerStyle)
    """How its answers are written."""


@dataclass(frozen=True, slots=True)
class Row:
    """One sequence as the runner sees it: its number, its whole prompt, its way of choosing.

    `choosing` is what `suspend` gave for it; the prompt ends with what it said until then.
    """

    uid: int
    prompt: Sequence[int]
    plan: SamplingPlan
    choosing: object | None = None
    request: str = ""
    """Whose it is, for the log."""
    grammar: object | None = None
    """What `Grammars` made of the grammar that its answer has to follow; None where it is free."""


@dataclass(frozen=True, slots=True)
class Scores:
    """Log probability of the chosen token, and (token id, log probability) of the likeliest, best first."""

    chosen: float
    top: tuple[tuple[int, float], ...] = ()


@dataclass(frozen=True, slots=True)
class Sampled:
    """One row's next token. A `fault` says that the row's own sampling failed and the token means nothing."""

    uid: int
    token: int
    scores: Scores | None = None
    fault: str = ""
    complete: bool = False
    """Its grammar allows nothing after this token."""


@dataclass(frozen=True, slots=True)
class Memory:
    """Bytes that the backend holds: live arrays, its free pool, the peak of live arrays, and KV alone.

    `kv_bytes` is all that is held for KV, padding and room to grow included; `kv_live_bytes` that of real tokens.
    """

    active_bytes: int = 0
    cache_bytes: int = 0
    peak_bytes: int = 0
    kv_bytes: int = 0
    kv_live_bytes: int = 0


class Prefill(Protocol):
    """Rows whose prompts are being computed together, apart from the running batch. Dropping it frees them."""

    def advance(self, chunks: Sequence[Sequence[int]]) -> None:
        """Compute the next prompt tokens of each row, at least one a row. An error harms these rows alone."""
        ...

    def join(self, last_tokens: Sequence[int]) -> None:
        """Move the rows, whose prompts are done but for their last token, into the running batch.

        Raises BatchLostError where the running batch was harmed; any other error harms these rows alone.
        """
        ...

    def source(self, number: int) -> object:
        """Return the live model cache of one row, as the prefix cache's codec takes it."""
        ...


class Runner(Protocol):
    """A loaded model that prefills apart and decodes in one batch."""

    @property
    def batches(self) -> bool:
        """Whether several rows can share a batch; otherwise at most one row may run."""
        ...

    @property
    def shape(self) -> KvShape:
        """What the KV of a row takes."""
        ...

    def start(self, rows: Sequence[Row]) -> Prefill:
        """Return an empty prefill of `rows`."""
        ...

    def resume(self, row: Row, restored: object, tokens: int) -> Prefill:
        """Return a prefill of one row whose first `tokens` tokens lie in the model cache `restored`."""
        ...

    def source(self, uid: int) -> object:
        """Return the live model cache of a running row, as the prefix cache's codec takes it."""
        ...

    def step(self) -> list[Sampled]:
        """Return the next token of every running row. Any error means that the batch is lost."""
        ...

    def remove(self, uids: Collection[int]) -> None:
        """Take rows out of the running batch. Any error means that the batch is lost."""
        ...

    def suspend(self, uid: int) -> object:
        """Take a row out of the running batch; return what it needs to go on as if nothing had happened.

        Any error means that the batch is lost.
        """
        ...

    def reset(self) -> None:
        """Forget the running batch."""
        ...

    def limit_kv(self, size_bytes: int) -> None:
        """Pad less where the KV of running rows would exceed so much; 0 is without a bound."""
        ...

    def trim(self) -> None:
        """Return memory that is free inside the process to the system."""
        ...

    def memory(self) -> Memory:
        """Return what the backend holds now."""
        ...


class Vocabulary(Protocol):
    """Tokens as text. Called on the engine thread and on the tokenising thread."""

    def detokenizer(self) -> Detokenizer:
        """Return a fresh detokenizer of one answer."""
        ...

    def bytes_of(self, token: int) -> bytes:
        """Return the bytes that a token stands for."""
        ...


class Encoder(Protocol):
    """Prompts as tokens. Called on the tokenising thread alone."""

    def encode_chat(self, prompt: ChatPrompt) -> list[int]:
        """Return the rendered chat's tokens. Raises OmlxError(INVALID_REQUEST) where the template refuses it."""
        ...

    def encode_text(self, text: str) -> list[int]:
        """Return the tokens of a bare prompt, with the special tokens that the model expects around it."""
        ...

    def decode(self, token_ids: Sequence[int]) -> str:
        """Return the text of `token_ids`."""
        ...


class Grammars(Protocol):
    """Makes grammars ready for a model. Called on the tokenising thread alone."""

    @property
    def markers(self) -> Mapping[str, int]:
        """The model's tokens that are no text, by how they are written."""
        ...

    def compile(self, grammar: Grammar, field: str) -> object:
        """Return what a row that has to follow `grammar` takes.

        Raises OmlxError(INVALID_REQUEST) naming the field that cannot be enforced: that of a schema, or `field`.
        """
        ...
