"""mlx-lm's batch classes behind the engine's port."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Sequence
from typing import Any

import mlx.core as mx
from mlx.nn.layers.base import Module
from mlx_lm.generate import GenerationBatch, PromptProcessingBatch, generation_stream
from mlx_lm.models.cache import CacheList, make_prompt_cache
from mlx_lm.sample_utils import greedy_sampler

from omlx_daemon.worker.backend.kv.rows import Source
from omlx_daemon.worker.backend.memory import held, kv_bytes, trim
from omlx_daemon.worker.backend.sampling import RowSampling
from omlx_daemon.worker.engine.ports import BatchLostError, Memory, Row, Sampled

_UNBOUNDED = 1 << 62
_CLEAR_EVERY_STEPS = 512


class PromptRows:
    """Rows that prefill together, with a KV cache of their own."""

    def __init__(self, batch: PromptProcessingBatch, into: Callable[[GenerationBatch], None]) -> None:
        self._batch = batch
        self._into = into

    def advance(self, chunks: Sequence[Sequence[int]]) -> None:
        """Compute the next prompt tokens of each row."""
        with mx.stream(generation_stream):
            self._batch.prompt([list(chunk) for chunk in chunks])

    def join(self, last_tokens: Sequence[int]) -> None:
        """Start decoding: the first step is under way when this returns."""
        with mx.stream(generation_stream):
            self._into(self._batch.generate([[token] for token in last_tokens]))

    def source(self, number: int) -> Source:
        """Return the live model cache of one row."""
        return Source(self._batch.prompt_cache, number)


class BatchRunner:
    """Prefills apart and decodes in one `GenerationBatch`. Every call must come from the thread that loaded.

    Stops and lengths are the engine's business, so the batch itself never ends a row.
    """

    def __init__(self, model: Module) -> None:
        self.model = model
        """The model itself; the thread that loaded it alone may call it."""
        self._batches = all(map(_can_merge, make_prompt_cache(model)))
        self._running = GenerationBatch.empty(model, greedy_sampler)
        self._rows: dict[int, RowSampling] = {}
        self._steps = 0

    @property
    def batches(self) -> bool:
        """Whether every layer's cache can be merged with another row's."""
        return self._batches

    def start(self, rows: Sequence[Row]) -> PromptRows:
        """Return an empty prefill of `rows`."""
        caches = [make_prompt_cache(self.model) for _ in rows]
        if self._batches:
            return self._prefill(rows, caches)
        # One row alone needs no merged cache: the batch classes only hand it to the model.
        return self._prefill(rows, [], caches[0])

    def resume(self, row: Row, restored: object, tokens: int) -> PromptRows:
        """Return a prefill of one row whose first `tokens` tokens lie in the model cache `restored`."""
        assert isinstance(restored, list)
        return self._prefill([row], [], restored, tokens)

    def source(self, uid: int) -> Source:
        """Return the live model cache of a running row."""
        return Source(self._running.prompt_cache, self._running.uids.index(uid))

    def step(self) -> list[Sampled]:
        """Return the next token of every running row; the step after it is under way already."""
        with mx.stream(generation_stream):
            responses = self._running.next()
        self._steps += 1
        if self._steps % _CLEAR_EVERY_STEPS == 0:
            mx.clear_cache()
        return [self._sampled(response) for response in responses]

    def remove(self, uids: Collection[int]) -> None:
        """Take rows out of the running batch."""
        gone = set(uids)
        with mx.stream(generation_stream):
            self._running.filter([n for n, uid in enumerate(self._running.uids) if uid not in gone])
        for uid in gone:
            self._rows.pop(uid, None)

    def reset(self) -> None:
        """Forget the running batch and give its memory back."""
        self._running = GenerationBatch.empty(self.model, greedy_sampler)
        self._rows.clear()
        mx.clear_cache()

    def trim(self) -> None:
        """Return what mlx and the C library keep for later use."""
        # Buffers that a step under way still uses must not be freed under it.
        mx.synchronize(generation_stream)
        trim()

    def memory(self) -> Memory:
        """Return what mlx holds now; KV is that of the running batch."""
        return held(kv_bytes(self._running.prompt_cache))

    def _prefill(
        self, rows: Sequence[Row], caches: list[list[Any]], ready: list[Any] | None = None, tokens: int = 0
    ) -> PromptRows:
        samplings = {row.uid: RowSampling(row) for row in rows}
        batch = PromptProcessingBatch(
            self.model,
            list(samplings),
            caches,
            tokens=[list(row.prompt[:tokens]) for row in rows],
            prefill_step_size=_UNBOUNDED,
            samplers=[sampling.sampler for sampling in samplings.values()],
            logits_processors=[list(sampling.processors) for sampling in samplings.values()],
            max_tokens=[_UNBOUNDED for _ in rows],
        )
        if ready is not None:
            batch.prompt_cache = ready
        return PromptRows(batch, into=lambda joining: self._join(joining, samplings))

    def _join(self, joining: GenerationBatch, rows: dict[int, RowSampling]) -> None:
        extend: Callable[[GenerationBatch], None] = self._running.extend
        try:
            extend(joining)
        except Exception as error:
            raise BatchLostError(f"{type(error).__name__}: {error}") from error
        self._rows.update(rows)

    def _sampled(self, response: GenerationBatch.Response) -> Sampled:
        row = self._rows[response.uid]
        if row.fault:
            return Sampled(response.uid, response.token, fault=row.fault)
        return Sampled(response.uid, response.token, row.scores(response.token, response.logprobs))


def _can_merge(cache: object) -> bool:
    if isinstance(cache, CacheList):
        return all(map(_can_merge, _parts(cache)))
    return hasattr(cache, "merge")


def _parts(cache: CacheList) -> Iterable[object]:
    return tuple(cache.caches)
