"""One request inside the engine: where its prompt and its answer stand."""

from __future__ import annotations

from dataclasses import dataclass, field

from omlx_cli.contract.errors import ErrorBody
from omlx_daemon.core.events import Failed, Finished, FinishReason, Miss, Usage
from omlx_daemon.core.requests import CachePolicy
from omlx_daemon.worker.cache.lease import Lease
from omlx_daemon.worker.engine.answer import Answer
from omlx_daemon.worker.engine.plan import SamplingPlan
from omlx_daemon.worker.engine.ports import BLOCK_TOKENS, Prefill, Row
from omlx_daemon.worker.engine.tickets import Ticket
from omlx_daemon.worker.explain.witness import Witness


@dataclass(slots=True, eq=False)
class Sequence:
    """Owned by the engine thread from its admission to its end. Times are seconds of the engine's clock."""

    ticket: Ticket
    prompt: list[int]
    """What has to be in the KV cache before it decodes: the prompt, and after a step back what it has said so far."""
    plan: SamplingPlan
    answer: Answer
    max_tokens: int
    client: str = ""
    """Whose request it is; clients are served evenly."""
    stop_ids: frozenset[int] = frozenset()
    echo_text: str = ""
    cache: CachePolicy = field(default_factory=CachePolicy)
    rules: tuple[str, ...] = ()
    """Prompt rules that had to be applied here."""
    witness: Witness | None = None
    """What tells why no more of its prompt was reused."""
    miss: Miss | None = None
    """Why that was, once it is known."""
    is_told: bool = False
    """Whether its miss was told."""
    boundaries: tuple[int, ...] = ()
    """Prompt positions that other prompts are likely to share."""
    lease: Lease | None = None
    """Its claim on the prefix cache, from its turn to its end."""
    placed: bool = False
    """Whether it was given a place."""
    ready: bool = True
    """Whether its prompt may be computed: what is stored of it is restored."""
    restored: object | None = None
    """The model cache to begin with, until prefill takes it."""
    cached_hot_tokens: int = 0
    cached_cold_tokens: int = 0
    done_tokens: int = 0
    """Prompt tokens in the KV cache. The last prompt token is fed by the first decode step, never by prefill,
    unless the prompt alone is wanted."""
    prefill: Prefill | None = None
    joined: bool = False
    """Whether it decodes."""
    alone: bool = False
    """Prefills in a group of one, since a group with it failed."""
    said: list[int] = field(default_factory=list)
    """Tokens generated since it began to decode."""
    grammar: object | None = None
    """What its answer has to follow."""
    choosing: object | None = None
    """The runner's state of its sampling, from a step back until it decodes again."""
    prompt_tokens: int = field(init=False)
    generated_tokens: int = 0
    started_s: float = -1.0
    first_token_s: float = -1.0
    ended: bool = False

    def __post_init__(self) -> None:
        self.prompt_tokens = len(self.prompt)

    @property
    def remaining_tokens(self) -> int:
        """Prompt tokens that prefill still has to compute."""
        return len(self.prompt) - (0 if self.answers_nothing else 1) - self.done_tokens

    @property
    def answers_nothing(self) -> bool:
        """Whether the prompt alone is wanted."""
        return self.cache.warm or bool(self.cache.compare)

    @property
    def position(self) -> int:
        """Tokens in the KV cache, prompt and answer."""
        return self.tokens if self.joined else self.done_tokens

    @property
    def tokens(self) -> int:
        """Tokens of prompt and answer so far."""
        return len(self.prompt) + len(self.said)

    @property
    def awaited(self) -> Lease | None:
        """The claim of the sequence that computes what this one waits for."""
        return self.lease.awaited if self.lease is not None else None

    @property
    def stored_tokens(self) -> int:
        """Prompt tokens that were computed and are kept; known while its lease lasts.

        The last one does not count: it is computed anew for every answer, kept or not.
        """
        kept = min(self.lease.position, self.prompt_tokens - 1) if self.lease is not None else 0
        return max(0, kept - self.cached_hot_tokens - self.cached_cold_tokens)

    @property
    def fresh(self) -> bool:
        """Whether none of its prompt is computed yet."""
        return self.prefill is None and self.done_tokens == 0

    @property
    def waits(self) -> bool:
        """Whether it has no place yet, so no part of its prompt and no claim on the cache."""
        return not self.placed

    @property
    def row(self) -> Row:
        """The sequence as the runner sees it."""
        return Row(self.ticket.uid, self.prompt, self.plan, self.choosing, self.ticket.id, self.grammar)

    def step_back(self, choosing: object | None) -> None:
        """Give up its place: what it has said becomes a part of its prompt, to be computed again in its turn."""
        self.prompt, self.said = [*self.prompt, *self.said], []
        self.choosing = choosing
        self.lease = self.prefill = self.restored = None
        self.placed = self.ready = self.joined = False
        self.done_tokens = 0

    def chunk_tokens(self, limit_tokens: int) -> int:
        """Return how many prompt tokens the next chunk takes: at most the limit, and no further than the last
        block boundary it reaches, unless it reaches the end or where the cache has to see it."""
        count = min(limit_tokens, self.remaining_tokens)
        stop = self.lease.stop_after(self.done_tokens) if self.lease else None
        if stop is not None and stop <= self.done_tokens + count:
            return stop - self.done_tokens
        if count == self.remaining_tokens:
            return count
        end = self.done_tokens + count
        boundary = end - end % BLOCK_TOKENS
        if boundary > self.done_tokens:
            return boundary - self.done_tokens
        # Chunks of about equal size up to the next boundary, none of them too small to be worth its own cost.
        left = BLOCK_TOKENS - self.done_tokens % BLOCK_TOKENS
        return -(-left // -(-left // count))

    def finished(self, reason: FinishReason, now_s: float) -> Finished:
        """Return the event of its proper end; one that ended by itself and made calls ended with them."""
        if reason is FinishReason.STOP and self.answer.calls:
            reason = FinishReason.TOOL_CALLS
        return Finished(
            reason=reason,
            usage=self.usage(now_s),
            stop_text=self.answer.stop_text,
            warnings=self.answer.warnings,
        )

    def failed(self, error: ErrorBody, now_s: float) -> Failed:
        """Return the event of its failure."""
        return Failed(error=error, usage=self.usage(now_s))

    def usage(self, now_s: float) -> Usage:
        """Return what it has cost so far."""
        started_s = self.started_s if self.started_s >= 0 else now_s
        first_s = self.first_token_s if self.first_token_s >= 0 else now_s
        return Usage(
            prompt_tokens=self.prompt_tokens,
            completion_tokens=self.generated_tokens,
            reasoning_tokens=self.answer.reasoning_tokens,
            cached_hot_tokens=self.cached_hot_tokens,
            cached_cold_tokens=self.cached_cold_tokens,
            stored_tokens=self.stored_tokens,
            miss=self.miss,
            queue_s=started_s - self.ticket.arrived_s,
            prefill_s=first_s - started_s,
            decode_s=now_s - first_s,
        )
