"""mlx-lm's batch classes behind the engine's port."""

from __future__ import annotations

import time
from collections.abc import Callable, Collection, Iterable, Sequence
from contextlib import AbstractContextManager
from typing import Any
from weakref import WeakSet

import mlx.core as mx
from mlx.nn.layers.base import Module
from mlx_lm.generate import GenerationBatch, PromptProcessingBatch, generation_stream
from mlx_lm.models.cache import CacheList, make_prompt_cache

from omlx_daemon.worker.backend import device
from omlx_daemon.worker.backend.choosing import Chooser
from omlx_daemon.worker.backend.kv.rows import Source
from omlx_daemon.worker.backend.lanes.cost import StepCost
from omlx_daemon.worker.backend.lanes.lanes import Lanes
from omlx_daemon.worker.backend.lanes.rows import held_bytes
from omlx_daemon.worker.backend.lanes.shape import measured_shape
from omlx_daemon.worker.backend.memory import held, trim
from omlx_daemon.worker.backend.precision import weights_bytes
from omlx_daemon.worker.backend.sampling import RowSampling
from omlx_daemon.worker.engine.kvshape import KvShape
from omlx_daemon.worker.engine.ports import BatchLostError, Memory, Row, Sampled

_UNBOUNDED = 1 << 62
_CLEAR_EVERY_STEPS = 512


class PromptRows:
    """Rows that prefill together, with a KV cache of their own."""

    def __init__(
        self,
        batch: PromptProcessingBatch,
        choosing: Callable[[], AbstractContextManager[None]],
        into: Callable[[GenerationBatch], None],
        begins: Callable[[], None],
    ) -> None:
        """Hand the rows `into` decoding at the end, their first tokens chosen within `choosing`; `begins` is told
        before each use of the device."""
        self._batch = batch
        self._choosing = choosing
        self._into = into
        self._begins = begins

    @property
    def lengths(self) -> list[int]:
        """Tokens of each row in the KV cache."""
        return [len(tokens) for tokens in self._batch.tokens]

    @property
    def held_bytes(self) -> int:
        """KV bytes that the rows hold."""
        return held_bytes(self._batch.prompt_cache)

    def advance(self, chunks: Sequence[Sequence[int]]) -> None:
        """Compute the next prompt tokens of each row."""
        self._begins()
        with mx.stream(generation_stream):
            self._batch.prompt([list(chunk) for chunk in chunks])

    def join(self, last_tokens: Sequence[int]) -> None:
        """Start decoding: the first step is under way when this returns."""
        with mx.stream(generation_stream):
            with self._choosing():
                batch = self._batch.generate([[token] for token in last_tokens])
            self._into(batch)

    def source(self, number: int) -> Source:
        """Return the live model cache of one row."""
        return Source(self._batch.prompt_cache, number)


class BatchRunner:
    """Prefills apart and decodes in lanes of like length. Every call must come from the thread that loaded.

    Stops and lengths are the engine's business, so a lane itself never ends a row.
    """

    def __init__(self, model: Module, shape: KvShape | None = None, cost: StepCost | None = None) -> None:
        """Run `model`, whose KV has `shape`; where nobody knows it, one token is run to learn it.

        `cost` decides which rows share a lane; without it, it is learnt from nothing.
        """
        self.model = model
        """The model itself; the thread that loaded it alone may call it."""
        self._batches = all(map(_can_merge, make_prompt_cache(model)))
        self._shape = measured_shape(model) if shape is None else shape
        self._cost = cost or StepCost(weights_bytes(model))
        self._kv_limit_bytes = 0
        self.lanes = self._no_lanes()
        """The batches that decode."""
        self._prefills: WeakSet[PromptRows] = WeakSet()
        self._rows: dict[int, RowSampling] = {}
        self._chooser = Chooser()
        self._steps = 0

    @property
    def batches(self) -> bool:
        """Whether every layer's cache can be merged with another row's."""
        return self._batches

    @property
    def shape(self) -> KvShape:
        """What the KV of a row takes."""
        return self._shape

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
        batch, place = self.lanes.find(uid)
        return Source(batch.prompt_cache, place)

    def step(self) -> list[Sampled]:
        """Return the next token of every running row; the step after it is under way already."""
        with mx.stream(generation_stream):
            responses = self.lanes.step(self._choosing)
        self._steps += 1
        if self._steps % _CLEAR_EVERY_STEPS == 0:
            mx.clear_cache()
        return [self._sampled(response) for response in responses]

    def remove(self, uids: Collection[int]) -> None:
        """Take rows out of their lanes."""
        gone = set(uids)
        with mx.stream(generation_stream):
            self.lanes.remove(gone)
        for uid in gone:
            self._rows.pop(uid, None)

    def suspend(self, uid: int) -> object:
        """Take a row out of its lane; return its way of choosing, to go on as if nothing had happened."""
        choosing = self._rows[uid]
        self.remove([uid])
        choosing.step_back()
        return choosing

    def reset(self) -> None:
        """Forget all that runs and give its memory back."""
        self.lanes = self._no_lanes()
        self._rows.clear()
        mx.clear_cache()

    def trim(self) -> None:
        """Return what mlx and the C library keep for later use."""
        # Buffers that a step under way still uses must not be freed under it.
        mx.synchronize(generation_stream)
        trim()

    def limit_kv(self, size_bytes: int) -> None:
        """Pad less where the KV of running rows would exceed so much; 0 is without a bound."""
        self._kv_limit_bytes = self.lanes.limit_bytes = size_bytes

    def memory(self) -> Memory:
        """Return what mlx holds now; KV is that of all rows, whether they prefill or decode."""
        reading = list(self._prefills)
        live_bytes = sum(self._shape.bytes_at(length) for prefill in reading for length in prefill.lengths)
        return held(
            kv_bytes=self.lanes.held_bytes + sum(prefill.held_bytes for prefill in reading),
            kv_live_bytes=self.lanes.live_bytes + live_bytes,
        )

    def _no_lanes(self) -> Lanes:
        # What other processes do on the same cores says nothing of what a step costs.
        clock = time.process_time if device.backend() == "cpu" else time.perf_counter
        return Lanes(self._shape, self._cost, clock, self._kv_limit_bytes)

    def _prefill(
        self, rows: Sequence[Row], caches: list[list[Any]], ready: list[Any] | None = None, tokens: int = 0
    ) -> PromptRows:
        samplings = {row.uid: _sampling(row) for row in rows}
        batch = PromptProcessingBatch(
            self.model,
            list(samplings),
            caches,
            tokens=[list(row.prompt[:tokens]) for row in rows],
            prefill_step_size=_UNBOUNDED,
            samplers=[self._chooser for _ in rows],
            logits_processors=[list(sampling.processors) for sampling in samplings.values()],
            max_tokens=[_UNBOUNDED for _ in rows],
        )
        if ready is not None:
            batch.prompt_cache = ready
        prefill = PromptRows(
            batch,
            lambda: self._chooser.choosing(list(samplings.values())),
            lambda joining: self._join(joining, samplings),
            lambda: self.lanes.disturbed(),
        )
        self._prefills.add(prefill)
        return prefill

    def _join(self, joining: GenerationBatch, rows: dict[int, RowSampling]) -> None:
        try:
            self.lanes.join(joining)
        except Exception as error:
            raise BatchLostError(f"{type(error).__name__}: {error}") from error
        self._rows.update(rows)

    def _choosing(self, uids: Sequence[int]) -> AbstractContextManager[None]:
        return self._chooser.choosing([self._rows[uid] for uid in uids])

    def _sampled(self, response: GenerationBatch.Response) -> Sampled:
        row = self._rows[response.uid]
        if row.fault:
            return Sampled(response.uid, response.token, fault=row.fault)
        scores = row.scores(response.token, response.logprobs)
        return Sampled(response.uid, response.token, scores, complete=row.complete)


def _sampling(row: Row) -> RowSampling:
    if not isinstance(row.choosing, RowSampling):
        return RowSampling(row)
    # It may have chosen already, in a group that failed.
    row.choosing.step_back()
    return row.choosing


def _can_merge(cache: object) -> bool:
    if isinstance(cache, CacheList):
        return all(map(_can_merge, _parts(cache)))
    return hasattr(cache, "merge")


def _parts(cache: CacheList) -> Iterable[object]:
    return tuple(cache.caches)
