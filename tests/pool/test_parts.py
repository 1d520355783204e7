"""The pool's small parts: back-off, settings, streams, output lines."""

from __future__ import annotations

import asyncio

import pytest

from omlx_cli.contract.errors import Code
from omlx_cli.contract.settings import ModelSettings, Settings
from omlx_daemon.core.events import Event, Failed, Prefill, Reasoning, Text, ToolCall
from omlx_daemon.pool.backoff import SHORT_LIFE_S, Backoff
from omlx_daemon.pool.joining import joined
from omlx_daemon.pool.settings import PoolSettings
from omlx_daemon.pool.stream import BEHIND_EVENTS, MAX_PENDING_EVENTS, RequestStream
from omlx_daemon.pool.worker_log import LINES_PER_MINUTE, MAX_LINE_CHARACTERS, LineBudget, LineSplitter
from tests.pool.doubles import FINISHED, Clock


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


def test_settings_become_numbers() -> None:
    settings = PoolSettings.of(Settings(model=ModelSettings(ttl="never", load_timeout="1m")), 1000)
    assert settings.ttl_s == float("inf")
    assert (settings.memory_limit_bytes, settings.memory_reserve_bytes) == (500, 500)
    assert (settings.load_timeout_s, settings.worker.stall_target_s, settings.min_residency_s) == (60, 0.3, 30)


def test_joining_keeps_what_was_said() -> None:
    call, rest = ToolCall(id="1", name="f", token_ids=(5,)), ToolCall(arguments="{}", token_ids=(6,))
    other, void = ToolCall(id="2", name="g", arguments="{", index=1), ToolCall(index=1, void=True)
    events: list[Event] = [
        Prefill(done_tokens=1, total_tokens=2), Prefill(done_tokens=2, total_tokens=2), Reasoning(text="h"),
        Reasoning(text="m", token_ids=(1,)), Text(text="a", token_ids=(2,)), Text(text="b", token_ids=(3, 4)),
        call, rest, other, void,
    ]  # fmt: skip
    assert list(joined(events)) == [
        Prefill(done_tokens=2, total_tokens=2),
        Reasoning(text="hm", token_ids=(1,)),
        Text(text="ab", token_ids=(2, 3, 4)),
        ToolCall(id="1", name="f", arguments="{}", token_ids=(5, 6)),
        other,
        void,
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


def test_a_reader_that_keeps_up_gets_every_event_as_it_was_said() -> None:
    async def main() -> None:
        stream = RequestStream("r", lambda stream: pytest.fail("cancelled"))
        said = [Text(text=f"{i} ", token_ids=(i,)) for i in range(100)]
        reading = asyncio.create_task(anext(stream))
        for start in range(0, 100, BEHIND_EVENTS):
            await asyncio.sleep(0)
            for event in said[start : start + BEHIND_EVENTS]:
                stream.push(event)
            heard = [await reading, *[await anext(stream) for _ in said[start + 1 : start + BEHIND_EVENTS]]]
            assert heard == said[start : start + BEHIND_EVENTS]
            reading = asyncio.create_task(anext(stream))
        stream.push(FINISHED)
        assert await reading == FINISHED

    asyncio.run(main())


def test_a_reader_that_is_behind_gets_the_text_joined() -> None:
    async def main() -> None:
        stream = RequestStream("r", lambda stream: pytest.fail("cancelled"))
        for i in range(BEHIND_EVENTS + 1):
            stream.push(Text(text=f"{i} ", token_ids=(i,)))
        stream.push(FINISHED)
        events = [event async for event in stream]
        numbers = range(BEHIND_EVENTS + 1)
        assert events == [Text(text="".join(f"{i} " for i in numbers), token_ids=tuple(numbers)), FINISHED]

    asyncio.run(main())


def test_a_hopeless_reader_is_cancelled_and_told_once() -> None:
    async def main() -> None:
        cancelled: list[RequestStream] = []
        stream = RequestStream("r", cancelled.append)
        for i in range(1000):
            stream.push(ToolCall(id=str(i), name="f", arguments="{}", index=i))
        assert cancelled == [stream]
        stream.push(FINISHED)
        stream.abandon()
        assert cancelled == [stream]

    async def reads_late() -> None:
        stream = RequestStream("r", lambda stream: None)
        for i in range(1000):
            stream.push(ToolCall(id=str(i), name="f", arguments="{}", index=i))
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
