"""One row's way of choosing its next token. Nothing here raises: a failure is kept as the row's fault."""

from __future__ import annotations

import logging
import math
import secrets
from collections import deque
from collections.abc import Callable
from typing import Any

import mlx.core as mx
import numpy as np
import numpy.typing as npt
from mlx_lm.sample_utils import greedy_sampler

from omlx_daemon.core.entries import about
from omlx_daemon.worker.backend.grammar.compiled import Compiled
from omlx_daemon.worker.backend.grammar.follower import Follower
from omlx_daemon.worker.engine.plan import SamplingPlan
from omlx_daemon.worker.engine.ports import Row, Scores

log = logging.getLogger(__name__)

Processor = Callable[[mx.array, mx.array], mx.array]


class Choice:
    """A token for every row of a batch, which the device has yet to compute."""

    def __init__(self, tokens: mx.array) -> None:
        self._tokens = tokens
        self._computed: npt.NDArray[np.uint32] | None = None

    def __getitem__(self, place: int) -> int:
        """Wait for the token at `place`."""
        if self._computed is None:
            self._computed = np.asarray(self._tokens)
        return int(self._computed[place])


class RowSampling:
    """How one row's tokens are chosen: processors for mlx-lm's batch, and what the chooser of the batch asks.

    Every row carries its own random key, so what it draws does not depend on who shares the batch.
    """

    def __init__(self, row: Row) -> None:
        self.fault = ""
        self._plan = row.plan
        self._request = row.request
        self._prompt_tokens = len(row.prompt)
        self._raw: deque[mx.array] = deque()
        self._key = mx.random.key(secrets.randbits(63) if row.plan.seed is None else row.plan.seed % (1 << 63))
        self._key_before = self._key
        self._follower = Follower(row.grammar) if isinstance(row.grammar, Compiled) else None
        self._chosen: tuple[Choice, int] | None = None
        self.processors: tuple[Processor, ...] = (self._process,) if _changes_logits(row.plan) else ()

    @property
    def greedy(self) -> bool:
        """Whether the likeliest token is chosen."""
        return self._plan.greedy

    @property
    def follows(self) -> bool:
        """Whether a grammar says what may come next."""
        return self._follower is not None

    @property
    def complete(self) -> bool:
        """Whether the row's grammar allows nothing after the last token but one."""
        return self._follower is not None and self._follower.complete

    def scores(self, token: int, logprobs: mx.array) -> Scores | None:
        """Return the log probabilities of the raw logits, (vocabulary,), for a row that asked; call it once a token."""
        raw = self._raw.popleft() if self._raw else logprobs
        if self._plan.logprobs is None:
            return None
        return _scores(_log_softmax(as_float32(raw).reshape(-1)), token, self._plan.logprobs)

    def step_back(self) -> None:
        """Forget the choice that was made ahead, for a token that nobody has seen: it will be made again."""
        self._key = self._key_before
        self._chosen = None
        self._raw.clear()

    def _process(self, context: mx.array, logits: mx.array) -> mx.array:
        """Return logits (1, vocabulary) with penalties and biases.

        `context` is prompt and answer so far.
        """
        if self._plan.logprobs is not None:
            self._raw.append(logits)
        try:
            return adjusted(self._plan, context, self._prompt_tokens, logits)
        except Exception as error:
            log.exception("adjusting logits failed", extra=about(self._request))
            self.fault = f"{type(error).__name__}: {error}"
            return logits

    def allowed(self) -> npt.NDArray[np.bool_] | None:
        """Take in the last choice, and return which tokens may come next, (vocabulary,); None for any."""
        if self._follower is None:
            return None
        try:
            if self._chosen is not None:
                choice, place = self._chosen
                self._follower.take(choice[place])
            return None if self._follower.complete else self._follower.allowed()
        except Exception as error:
            log.exception("following a grammar failed", extra=about(self._request))
            self.fault = f"{type(error).__name__}: {error}"
            return None

    def note(self, choice: Choice, place: int) -> None:
        """Keep the row's token for its grammar."""
        self._chosen = (choice, place)

    def choose(self, logprobs: mx.array) -> mx.array:
        """Return a token id (1,) for log probabilities (1, vocabulary)."""
        if self.greedy:
            return greedy_sampler(logprobs)
        # What a grammar left may all be close to minus infinity.
        return self._sample(logprobs - mx.max(logprobs, axis=-1, keepdims=True) if self.follows else logprobs)

    def _sample(self, logprobs: mx.array) -> mx.array:
        """Return a token id (1,) drawn from log probabilities (1, vocabulary)."""
        try:
            self._key_before = self._key
            self._key, key = mx.random.split(self._key)
            return draw(self._plan, logprobs, key)
        except Exception as error:
            log.exception("sampling failed", extra=about(self._request))
            self.fault = f"{type(error).__name__}: {error}"
            return greedy_sampler(logprobs)


def adjusted(plan: SamplingPlan, context: mx.array, prompt_tokens: int, logits: mx.array) -> mx.array:
    """Return `logits` (1, vocabulary) after repetition, presence and frequency penalties and the bias.

    Repetition looks at the whole `context`; presence and frequency at the answer, which begins after the prompt.
    """
    if plan.repetition_penalty != 1.0:
        seen = logits[:, context]
        factor = plan.repetition_penalty
        logits[:, context] = mx.where(seen < 0, seen * factor, seen / factor)
    if (plan.presence_penalty or plan.frequency_penalty) and context.size > prompt_tokens:
        counts = mx.zeros(logits.shape[-1:], logits.dtype).at[context[prompt_tokens:]].add(1)
        logits = logits - plan.frequency_penalty * counts - plan.presence_penalty * (counts > 0)
    if plan.logit_bias:
        tokens, biases = mx.array(list(plan.logit_bias)), mx.array(list(plan.logit_bias.values()), logits.dtype)
        logits = logits.at[:, tokens].add(biases)
    return logits


def draw(plan: SamplingPlan, logprobs: mx.array, key: mx.array) -> mx.array:
    """Return a token id (1,) from `logprobs` (1, vocabulary): temperature, then top_k, top_p, min_p."""
    scaled = logprobs.astype(mx.float32) * (1.0 / plan.temperature)
    if 0 < plan.top_k < scaled.shape[-1]:
        candidates = mx.argpartition(-scaled, kth=plan.top_k - 1, axis=-1)[..., : plan.top_k]
        kept = _filtered(plan, mx.take_along_axis(scaled, candidates, axis=-1))
        chosen = mx.random.categorical(kept, key=key)
        return mx.take_along_axis(candidates, chosen[..., None], axis=-1).squeeze(-1).astype(mx.uint32)
    return mx.random.categorical(_filtered(plan, scaled), key=key)


def _filtered(plan: SamplingPlan, logits: mx.array) -> mx.array:
    if plan.top_p < 1.0:
        logits = _top_p(logits, plan.top_p)
    if plan.min_p > 0.0:
        floor = mx.max(logits, axis=-1, keepdims=True) + math.log(plan.min_p)
        logits = mx.where(logits < floor, -mx.inf, logits)
    return logits


def _top_p(logits: mx.array, top_p: float) -> mx.array:
    """Keep the smallest set of likeliest tokens that holds `top_p` of the probability; at least one."""
    ordered = -mx.sort(-logits, axis=-1)
    probabilities = mx.softmax(ordered, axis=-1)
    before = mx.cumsum(probabilities, axis=-1) - probabilities
    count = mx.maximum((before < top_p).sum(axis=-1, keepdims=True), 1)
    threshold = mx.take_along_axis(ordered, count - 1, axis=-1)
    return mx.where(logits < threshold, -mx.inf, logits)


def _changes_logits(plan: SamplingPlan) -> bool:
    penalties = plan.repetition_penalty != 1.0 or plan.presence_penalty or plan.frequency_penalty
    return bool(penalties or plan.logit_bias)


def as_float32(array: mx.array) -> npt.NDArray[np.float32]:
    """Return an evaluated array's values without another mlx operation, which would wait for the running step."""
    if array.dtype == mx.bfloat16:
        exported: Any = array
        halves = np.frombuffer(memoryview(exported).cast("B"), dtype=np.uint16)
        return (halves.astype(np.uint32) << 16).view(np.float32)
    return np.asarray(array, dtype=np.float32)


def _log_softmax(logits: npt.NDArray[np.float32]) -> npt.NDArray[np.float32]:
    shifted = logits - logits.max()
    return np.asarray(shifted - np.log(np.exp(shifted).sum()), dtype=np.float32)


def _scores(logprobs: npt.NDArray[np.float32], token: int, count: int) -> Scores:
    count = min(count, logprobs.size)
    if not count:
        return Scores(float(logprobs[token]))
    likeliest = np.argpartition(-logprobs, count - 1)[:count]
    ordered = likeliest[np.argsort(-logprobs[likeliest], kind="stable")]
    return Scores(float(logprobs[token]), tuple((int(other), float(logprobs[other])) for other in ordered))
