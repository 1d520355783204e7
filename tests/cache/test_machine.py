"""Random lives of a store: requests, aborts, restarts, shrinking memory, deleted and damaged files.

Whatever happens, what is restored is what the prompt's tokens give, and memory stays in its bounds.
"""

from __future__ import annotations

import shutil
import tempfile
import threading
from collections.abc import Sequence
from pathlib import Path

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from omlx_daemon.worker.cache.cold import ColdTier
from omlx_daemon.worker.cache.hot import HotTier
from omlx_daemon.worker.cache.lease import Lease, LeaseState
from omlx_daemon.worker.cache.payload import Needs
from omlx_daemon.worker.cache.store import Store
from tests.cache.fakes import FakeCodec, FakeLedger, check, prefill
from tests.cache.test_store import EVERY, story

CHOICE = st.integers(0, 10_000)
LENGTH = st.one_of(st.integers(1, 900), st.sampled_from([255, 256, 257, 511, 512, 513]))
MAX_TALKS = 12


class Live:
    """A request that is being answered."""

    def __init__(self, lease: Lease, prompt: list[int]) -> None:
        self.lease, self.tokens, self.prompt_tokens = lease, prompt, len(prompt)
        self.position = -1


class StoreMachine(RuleBasedStateMachine):
    """One model's worker and its cache directory."""

    def __init__(self) -> None:
        super().__init__()
        self.space = Path(tempfile.mkdtemp(prefix="omlx-machine-"))
        self.talks: list[list[int]] = [story(0, 300)]
        self.live: list[Live] = []
        self.hot_bytes = 0

    @initialize(needs=st.sampled_from(EVERY), hot_bytes=st.sampled_from([0, 3000, 12_000, 1 << 20]))
    def start(self, needs: Needs, hot_bytes: int) -> None:
        self.needs, self.hot_bytes = needs, hot_bytes
        self._open()

    def _open(self) -> None:
        self.wake, self.ledger = threading.Event(), FakeLedger()
        self.hot = HotTier(self.hot_bytes)
        self.cold = ColdTier(self.space, self.ledger, readers=2, queue_bytes=20_000)
        self.store = Store(FakeCodec(self.needs), [self.hot, self.cold], "model", wake=self.wake.set)

    @rule(talk=CHOICE, keep=LENGTH, seed=st.integers(1, 5), more=LENGTH)
    def ask(self, talk: int, keep: int, seed: int, more: int) -> None:
        known = self.talks[talk % len(self.talks)]
        prompt = known[: keep % (len(known) + 1)] + story(seed, more)
        self.live.append(Live(self.store.match(prompt), prompt))

    @rule(which=CHOICE, chunk=st.integers(1, 700), chunks=st.integers(1, 6))
    def compute(self, which: int, chunk: int, chunks: int) -> None:
        if not self.live:
            return
        one = self.live[which % len(self.live)]
        if one.position < 0 and not self._begin(one):
            return
        last = one.prompt_tokens - 1
        upto = min(last, one.position + chunk * chunks)
        one.position = max(one.position, prefill(one.lease, one.tokens, one.position, chunk, upto))
        if one.position == last:
            self._generate(one, chunk % 70 + 1)

    def _begin(self, one: Live) -> bool:
        if one.lease.poll() is LeaseState.WAITING:
            one.lease.proceed()
        while one.lease.poll() is LeaseState.LOADING:
            assert self.wake.wait(30)
            self.wake.clear()
        restored = one.lease.restore()
        check(restored, one.tokens, self.needs)
        one.position = restored.tokens
        return True

    def _generate(self, one: Live, count: int) -> None:
        one.tokens = list(one.tokens)
        for token in [one.tokens[-1], *story(count, count)][1:]:
            one.tokens.append(token)
            one.lease.extend([token])
            if one.lease.is_due(len(one.tokens)):
                one.lease.commit(list(one.tokens), len(one.tokens))
        self._end(one, len(one.tokens))

    @rule(which=CHOICE, with_cache=st.booleans())
    def abort(self, which: int, with_cache: bool) -> None:
        if self.live:
            one = self.live[which % len(self.live)]
            self._end(one, one.position if with_cache else 0)

    def _end(self, one: Live, position: int) -> None:
        source = one.tokens[:position] if position > 0 else None
        one.lease.finish(source, position)
        self.live.remove(one)
        self.talks = [*self.talks[-MAX_TALKS:], one.tokens]
        self.store.tick()

    @rule(hot_bytes=st.sampled_from([0, 2000, 10_000, 1 << 20]))
    def resize(self, hot_bytes: int) -> None:
        self.hot_bytes = hot_bytes
        self.store.resize_hot(hot_bytes)

    @rule()
    def restart(self) -> None:
        self._release_all()
        assert self.store.close(30).parts == 0
        self._open()

    @rule(which=CHOICE, harm=st.sampled_from(["remove", "flip", "truncate"]))
    def harm_a_file(self, which: int, harm: str) -> None:
        found: Sequence[Path] = sorted(self.space.glob("??/*.safetensors"))
        if not found:
            return
        path = found[which % len(found)]
        if harm == "remove":
            path.unlink()
        else:
            data = bytearray(path.read_bytes())
            data[-1] ^= 1
            path.write_bytes(data if harm == "flip" else data[:-1])

    @invariant()
    def memory_is_bounded(self) -> None:
        if hasattr(self, "hot"):
            leased = sum(entry.block.payload.nbytes for entry in self.hot._entries.values() if entry.leases)
            size_bytes = self.hot.stats().size_bytes
            assert size_bytes == sum(entry.block.payload.nbytes for entry in self.hot._entries.values())
            assert size_bytes <= self.hot_bytes + leased

    def _release_all(self) -> None:
        for one in self.live:
            one.lease.release()
        self.live.clear()
        assert not any(entry.leases for entry in self.hot._entries.values())
        assert len(self.store._in_flight) == 0

    def teardown(self) -> None:
        try:
            if hasattr(self, "store"):
                self._release_all()
                self.store.close(30)
        finally:
            shutil.rmtree(self.space)


TestStoreMachine = StoreMachine.TestCase
TestStoreMachine.settings = settings(max_examples=25, stateful_step_count=40, deadline=None)
