"""Restored equals recomputed, token for token, for a tiny model of every family of caches."""

from __future__ import annotations

import random
import threading
from functools import cache
from pathlib import Path
from typing import Any

import pytest
from mlx_lm.generate import GenerationBatch
from mlx_lm.sample_utils import greedy_sampler

from omlx_daemon.worker.backend.kv.codec import KvCodec
from omlx_daemon.worker.backend.kv.leaves import KvLayout, layout
from omlx_daemon.worker.backend.kv.rows import Source
from omlx_daemon.worker.cache.cold import ColdTier
from omlx_daemon.worker.cache.hot import HotTier
from omlx_daemon.worker.cache.store import Store
from omlx_daemon.worker.cache.tier import Tier
from tests.cache import tiny
from tests.cache.driving import Answer, Request, run
from tests.cache.fakes import FakeLedger

PLENTY = 1 << 30
ANSWER = 6
CHUNK = 512


@cache
def model_of(name: str) -> tuple[Any, KvLayout]:
    model = tiny.make(name)
    return model, layout(model)


def words(seed: int, count: int) -> list[int]:
    chosen = random.Random(seed)
    return [chosen.randrange(3, tiny.VOCABULARY) for _ in range(count)]


class Worker:
    """One model with its store; `ask` answers from what is stored, `compute` without."""

    def __init__(self, name: str, space: Path, hot_bytes: int = PLENTY) -> None:
        self.model, self.layout = model_of(name)
        self.wake = threading.Event()
        tiers: list[Tier] = [HotTier(hot_bytes), ColdTier(space, FakeLedger(), readers=2)]
        self.store = Store(KvCodec(self.layout), tiers, name, wake=self.wake.set)
        self._off = Store(None, [], name)

    def ask(self, prompt: list[int], chunk: int = CHUNK) -> Answer:
        return run(self.model, self.layout, self.store, prompt, ANSWER, chunk)

    def compute(self, prompt: list[int], chunk: int = CHUNK) -> list[int]:
        return run(self.model, self.layout, self._off, prompt, ANSWER, chunk).tokens

    def check(self, prompt: list[int]) -> int:
        """Assert equality; return how much was reused."""
        answer = self.ask(prompt)
        assert answer.tokens == self.compute(prompt), f"{len(prompt)} tokens, {answer.restored.tokens} restored"
        return answer.restored.tokens


@pytest.mark.parametrize("name", tiny.CONFIGS)
def test_what_is_restored_answers_as_what_is_computed(name: str, tmp_path: Path) -> None:
    worker, prompt = Worker(name, tmp_path), words(1, 640)
    first = worker.ask(prompt)
    assert worker.store.stats().off == ""
    assert first.tokens == worker.compute(prompt)
    talk = prompt + first.tokens
    assert worker.check(talk + words(2, 10)) == len(talk)
    for length in (257, 301, 512, 640):
        reused = worker.check(prompt[:length])
        assert worker.check(prompt[:length] + words(length, 12)) >= min(reused, length - 1)
    assert worker.check(prompt) == 639
    assert worker.store.close(30).parts == 0

    worker = Worker(name, tmp_path, hot_bytes=0)
    assert worker.check(talk + words(2, 10)) >= len(talk)
    assert worker.check(prompt[:301] + words(3, 300)) >= 300
    assert worker.store.stats().reused_tokens.keys() == {"cold"}
    assert worker.store.close(30).parts == 0


@pytest.mark.parametrize("name", [name for name in tiny.CONFIGS if name != "llama4"])
def test_rows_of_one_batch_are_restored_and_recorded_apart(name: str, tmp_path: Path) -> None:
    worker = Worker(name, tmp_path)
    known = words(4, 530)
    worker.ask(known)
    prompts = [known + words(5, 20), words(6, 300), known[:400]]
    batch = GenerationBatch.empty(worker.model, greedy_sampler)
    requests = []
    for uid, prompt in enumerate(prompts):
        request = Request(worker.model, worker.layout, worker.store.match(prompt), prompt)
        request.begin()
        while not request.prefill(256):
            pass
        joining = request.decode()
        joining.uids = [uid]
        batch.extend(joining)
        requests.append(request)
        batch.next()
    assert requests[0].restored is not None
    assert requests[0].restored.tokens >= 529
    for _ in range(ANSWER):
        batch.next()
    for row, (request, prompt) in enumerate(zip(requests, prompts, strict=True)):
        generated = batch.tokens[row][len(prompt) :]
        assert generated[:ANSWER] == worker.compute(prompt)
        request.lease.extend(generated)
        request.lease.finish(Source(batch.prompt_cache, row), len(batch.tokens[row]))
    assert worker.store.stats().off == ""
    for row in range(len(prompts)):
        assert worker.check(list(batch.tokens[row]) + words(7, 5)) == len(batch.tokens[row])
    worker.store.close(30)


def test_a_damaged_file_never_reaches_an_answer(tmp_path: Path) -> None:
    worker, prompt = Worker("llama", tmp_path), words(8, 900)
    worker.ask(prompt)
    worker.store.close(30)
    for number, path in enumerate(sorted(tmp_path.glob("??/*"))):
        data = bytearray(path.read_bytes())
        data[len(data) // 3 + number] ^= 1 << number % 8
        path.write_bytes(data)
    worker = Worker("llama", tmp_path, hot_bytes=0)
    assert worker.check(prompt) == 0
    assert worker.store.stats().tiers[1].quarantined > 0
    worker.store.close(30)
