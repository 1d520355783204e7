"""The pool's small parts: victims, back-off, estimates, streams, output lines."""

from __future__ import annotations

import asyncio
from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from omlx_cli.contract.errors import Code
from omlx_cli.contract.settings import ModelSettings, Settings
from omlx_daemon.core.events import Event, Failed, Prefill, Reasoning, Text, ToolCall
from omlx_daemon.core.models import ModelSpec
from omlx_daemon.pool.backoff import SHORT_LIFE_S, Backoff
from omlx_daemon.pool.joining import joined
from omlx_daemon.pool.memory import MARGIN_BYTES, SystemMemory, float32_growth
from omlx_daemon.pool.policy import Resident, victims
from omlx_daemon.pool.settings import PoolSettings
from omlx_daemon.pool.stream import MAX_PENDING_EVENTS, RequestStream
from omlx_daemon.pool.worker_log import LINES_PER_MINUTE, MAX_LINE_CHARACTERS, LineBudget, LineSplitter
from tests.pool.doubles import FINISHED, Clock

RESIDENTS = st.lists(
    st.builds(
        Resident, name=st.text(max_size=3), size_bytes=st.integers(0, 100), last_used_s=st.floats(0, 9),
        evictable=st.booleans(),
    ),
    max_size=6, unique_by=lambda resident: resident.name,
)  # fmt: skip


@settings(deadline=None)
@given(RESIDENTS, st.integers(-50, 500))
def test_victims_are_the_fewest_oldest_or_none_at_all(residents: list[Resident], missing: int) -> None:
    chosen = victims(residents, missing)
    by_name = {resident.name: resident for resident in residents}
    possible = sum(resident.size_bytes for resident in residents if resident.evictable)
    if chosen is None:
        assert possible < missing
        return
    taken = [by_name[name] for name in chosen]
    assert all(resident.evictable for resident in taken)
    assert sum(resident.size_bytes for resident in taken) >= missing
    assert sum(resident.size_bytes for resident in taken[:-1]) < max(missing, 1)
    assert all(a.last_used_s <= b.last_used_s for a, b in pairwise(taken))


def test_backoff_doubles_up_to_a_minute_and_a_useful_life_ends_the_row() -> None:
    backoff = Backoff()
    waits = []
    for _ in range(9):
        backoff.failed(0.0, crashed=True)
        waits.append(backoff.wait_s(0.0))
    assert waits == [0, 1, 2, 4, 8, 16, 32, 60, 60]
    assert backoff.wait_s(59.5) == 0.5
    backoff.died(100.0, life_s=1.0, answered=0)
    assert backoff.wait_s(100.0) == 60
    backoff.died(200.0, life_s=SHORT_LIFE_S, answered=0)
    assert backoff.wait_s(200.0) == 0
    backoff.died(200.0, life_s=1.0, answered=1)
    assert backoff.wait_s(200.0) == 0
    assert backoff.crashes == 12


@pytest.mark.parametrize(
    ("quantization", "growth"), [("4-bit", 32 / 4.5), ("q8_0", 32 / 8.5), ("bf16", 2.0), ("", 2.0), ("float32", 1.0)]
)
def test_growth_to_float32(quantization: str, growth: float) -> None:
    assert float32_growth(quantization) == pytest.approx(growth)


def test_an_estimate_is_least_and_best() -> None:
    spec = ModelSpec(name="a", path="", source="omlx", weights_bytes=900, quantization="4-bit")
    on_cpu = SystemMemory("cpu").estimate(spec)
    assert on_cpu.least_bytes == 900 + MARGIN_BYTES
    assert on_cpu.best_bytes - MARGIN_BYTES == pytest.approx(900 * 1.15 * 32 / 4.5, abs=1)
    on_gpu = SystemMemory("metal").estimate(spec)
    assert on_gpu.best_bytes == on_gpu.least_bytes


def test_the_system_is_measured() -> None:
    import os

    memory = SystemMemory()
    assert 0 < memory.available_bytes() <= memory.total_bytes()
    assert memory.resident_bytes(os.getpid()) > 1 << 20
    assert memory.resident_bytes(2**22 - 1) == 0
    assert memory.estimate(ModelSpec(name="a", path="", source="omlx", weights_bytes=1)).least_bytes > 1


def test_settings_become_numbers() -> None:
    settings = PoolSettings.of(Settings(model=ModelSettings(ttl="never", load_timeout="1m")), 1000)
    assert settings.ttl_s == float("inf")
    assert (settings.memory_limit_bytes, settings.memory_reserve_bytes) == (500, 500)
    assert (settings.load_timeout_s, settings.worker.stall_target_s, settings.min_residency_s) == (60, 0.3, 30)


def test_joining_keeps_what_was_said() -> None:
    call = ToolCall(id="1", name="f", arguments="{}")
    events: list[Event] = [
        Prefill(done_tokens=1, total_tokens=2), Prefill(done_tokens=2, total_tokens=2), Reasoning(text="h"),
        Reasoning(text="m", token_ids=(1,)), Text(text="a", token_ids=(2,)), Text(text="b", token_ids=(3, 4)),
        call, call,
    ]  # fmt: skip
    assert list(joined(events)) == [
        Prefill(done_tokens=2, total_tokens=2),
        Reasoning(text="hm", token_ids=(1,)),
        Text(text="ab", token_ids=(2, 3, 4)),
        call,
        call,
    ]


def test_a_slow_reader_loses_nothing_and_the_queue_stays_small() -> None:
    async def main() -> None:
        stream = RequestStream("r", lambda stream: pytest.fail("cancelled"))
        for i in range(10_000):
            stream.push(Text(text=f"{i} ", token_ids=(i,)))
        stream.push(FINISHED)
        events = [event async for event in stream]
        assert len(events) <= MAX_PENDING_EVENTS
        texts = [event for event in events if isinstance(event, Text)]
        assert "".join(event.text for event in texts) == "".join(f"{i} " for i in range(10_000))
        assert [token for event in texts for token in event.token_ids] == list(range(10_000))
        assert events[-1] == FINISHED

    asyncio.run(main())


def test_a_hopeless_reader_is_cancelled_and_told_once() -> None:
    async def main() -> None:
        cancelled: list[RequestStream] = []
        stream = RequestStream("r", cancelled.append)
        for i in range(1000):
            stream.push(ToolCall(id=str(i), name="f", arguments="{}"))
        assert cancelled == [stream]
        stream.push(FINISHED)
        stream.abandon()
        assert cancelled == [stream]

    async def reads_late() -> None:
        stream = RequestStream("r", lambda stream: None)
        for i in range(1000):
            stream.push(ToolCall(id=str(i), name="f", arguments="{}"))
        events = [event async for event in stream]
        assert isinstance(events[-1], Failed)
        assert events[-1].error.code is Code.CANCELLED
        assert not stream.ended
        assert stream.push(FINISHED)
        assert not stream.push(FINISHED)
        assert len([event for event in events if isinstance(event, Failed)]) == 1

    asyncio.run(main())
    asyncio.run(reads_late())


def test_output_is_cut_into_bounded_lines() -> None:
    lines = LineSplitter()
    assert lines.feed(b"one\ntw") == ["one"]
    assert lines.feed(b"o\n\n" + b"x" * 50_000 + b"\nrest\xff") == ["two", "x" * MAX_LINE_CHARACTERS]
    assert lines.rest() == ["rest\ufffd"]
    assert lines.rest() == []
    for _ in range(100):
        assert lines.feed(b"y" * 10_000) == []
    assert len(lines.rest()[0]) == MAX_LINE_CHARACTERS


def test_output_has_a_budget() -> None:
    clock = Clock()
    budget = LineBudget(clock)
    assert sum(budget.take() for _ in range(2 * LINES_PER_MINUTE)) == LINES_PER_MINUTE
    assert budget.dropped == LINES_PER_MINUTE
    clock.now_s += 60
    assert budget.take()
