"""A scheduler of a few lines, with the calls that the real one makes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from mlx_lm.generate import GenerationBatch, PromptProcessingBatch
from mlx_lm.models.cache import make_prompt_cache

from omlx_daemon.worker.backend.kv.leaves import KvLayout
from omlx_daemon.worker.backend.kv.rows import Source
from omlx_daemon.worker.cache.lease import Lease, LeaseOptions, LeaseState, Restored
from omlx_daemon.worker.cache.store import Store

_MANY = 1 << 30


@dataclass
class Answer:
    tokens: list[int]
    restored: Restored


class Request:
    """One request on its way."""

    def __init__(self, model: Any, layout: KvLayout, lease: Lease, prompt: Sequence[int]) -> None:
        self.model, self.layout, self.lease, self.prompt = model, layout, lease, list(prompt)
        self.batch: PromptProcessingBatch | None = None
        self.position = 0
        self.restored: Restored | None = None

    def begin(self) -> None:
        while self.lease.poll() is not LeaseState.READY:
            pass
        self.restored = self.lease.restore()
        self.position = self.restored.tokens
        caches = [make_prompt_cache(self.model)]
        fresh = self.restored.cache is None
        self.batch = PromptProcessingBatch(
            self.model,
            [0],
            caches if fresh and self.layout.batchable else [],
            tokens=[self.prompt[: self.position]],
            prefill_step_size=_MANY,
            max_tokens=[_MANY],
        )
        if not fresh:
            self.batch.prompt_cache = self.restored.cache
        elif not self.layout.batchable:
            (self.batch.prompt_cache,) = caches

    def prefill(self, chunk: int) -> bool:
        """Compute one chunk; return whether the prompt is done but for its last token."""
        assert self.batch is not None
        last = len(self.prompt) - 1
        end = min(self.position + chunk, self.lease.stop_after(self.position) or last, last)
        if end > self.position:
            self.batch.prompt([self.prompt[self.position : end]])
            self.position = end
            self.lease.commit(Source(self.batch.prompt_cache), end)
        return self.position == last

    def decode(self) -> GenerationBatch:
        assert self.batch is not None
        batch: GenerationBatch = self.batch.generate([[self.prompt[-1]]])
        return batch


def run(
    model: Any,
    layout: KvLayout,
    store: Store,
    prompt: Sequence[int],
    max_tokens: int,
    chunk: int = 512,
    options: LeaseOptions | None = None,
) -> Answer:
    """Answer one request alone."""
    request = Request(model, layout, store.match(prompt, options=options), prompt)
    request.begin()
    while not request.prefill(chunk):
        pass
    batch = request.decode()
    tokens = []
    for _ in range(max_tokens):
        (response,) = batch.next()
        tokens.append(response.token)
        request.lease.extend([response.token])
        if request.lease.is_due(len(batch.tokens[0])):
            request.lease.commit(Source(batch.prompt_cache), len(batch.tokens[0]))
    request.lease.finish(Source(batch.prompt_cache), len(batch.tokens[0]))
    store.tick()
    assert request.restored is not None
    return Answer(tokens, request.restored)
