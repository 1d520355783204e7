"""Whose prompt is read next, and how much of it."""

from __future__ import annotations

import pytest

from omlx_daemon.core.events import Prefill
from omlx_daemon.core.requests import Priority
from omlx_daemon.worker.engine.pace import MIN_CHUNK_TOKENS
from omlx_daemon.worker.engine.ports import BLOCK_TOKENS
from tests.worker.doubles import Bench


def order(bench: Bench) -> list[int]:
    """Return the uids in the order in which their prompts were finished being read."""
    return list(dict.fromkeys(uid for chunk in reversed(bench.runner.chunks) for uid, _ in chunk))[::-1]


def test_the_shortest_remaining_prompt_goes_first() -> None:
    bench = Bench()
    tickets = [bench.submit(length) for length in (900, 300, 600)]
    bench.run()
    assert order(bench) == [tickets[1].uid, tickets[2].uid, tickets[0].uid]


def test_urgency_comes_before_length() -> None:
    bench = Bench()
    normal = bench.submit(300)
    batch = bench.submit(200, priority=Priority.BATCH)
    interactive = bench.submit(400, priority=Priority.INTERACTIVE)
    bench.run()
    assert order(bench) == [interactive.uid, normal.uid, batch.uid]


def test_a_long_prompt_moves_while_shorter_ones_keep_coming() -> None:
    bench = Bench(max_running=64)
    bench.runner.prefill_tokens_per_s = 300.0
    long = bench.submit(3000)
    for _ in range(60):
        bench.submit(300, max_tokens=1)
        bench.tick()
    assert bench.prefilled(long) > 1000, "after its patience it gets every second turn"
    others = sum(tokens for chunk in bench.runner.chunks for uid, tokens in chunk if uid != long.uid)
    assert others > 1000, "and the short ones get the others"
    bench.run()
    assert all(map(bench.ended, bench.events))


def test_chunks_end_on_block_boundaries() -> None:
    bench = Bench()
    ticket = bench.submit(5000)
    bench.run()
    done = 0
    for chunk in bench.runner.chunks:
        ((_, tokens),) = chunk
        done += tokens
        assert done % BLOCK_TOKENS == 0 or done == 4999
    assert bench.prefilled(ticket) == 4999, "the last token belongs to the first decode step"


def test_a_chunk_beside_a_running_request_keeps_to_the_stall_target() -> None:
    bench = Bench(stall_target_s=0.1)
    bench.submit(10, max_tokens=10_000)
    bench.tick()
    bench.submit(4000)
    stalls = []
    for _ in range(40):
        before_s = bench.clock.now_s
        bench.tick()
        stalls.append(bench.clock.now_s - before_s)
    chunks = [tokens for chunk in bench.runner.chunks[1:] for _, tokens in chunk]
    assert max(stalls[3:]) <= 0.12, "1000 tokens a second: about a hundred fit"
    assert min(chunks[2:-1]) >= MIN_CHUNK_TOKENS


def test_small_chunks_never_step_over_a_block_boundary() -> None:
    bench = Bench(stall_target_s=0.1)
    bench.submit(10, max_tokens=10_000)
    bench.tick()
    long = bench.submit(2000)
    for _ in range(30):
        bench.tick()
    done = 0
    for chunk in bench.runner.chunks[1:]:
        for uid, tokens in chunk:
            assert uid == long.uid
            first_boundary = done - done % BLOCK_TOKENS + BLOCK_TOKENS
            done += tokens
            assert done <= first_boundary or done % BLOCK_TOKENS == 0


def test_short_fresh_prompts_of_like_length_are_read_together() -> None:
    bench = Bench()
    bench.submit(300)
    bench.run()
    bench.runner.chunks.clear()
    like = [bench.submit(length) for length in (40, 50, 60)]
    other = bench.submit(8)
    bench.run()
    groups = [{uid for uid, _ in chunk} for chunk in bench.runner.chunks]
    assert groups == [{other.uid}, {ticket.uid for ticket in like}]


def test_a_burst_of_short_prompts_is_read_in_one_go_where_nothing_runs() -> None:
    bench = Bench()
    bench.runner.prefill_tokens_per_s = 100.0
    for _ in range(8):
        bench.submit(64)
    bench.run()
    assert [len(chunk) for chunk in bench.runner.chunks] == [8]


def test_beside_a_running_request_a_group_keeps_to_the_stall_target() -> None:
    bench = Bench(stall_target_s=0.2)
    bench.submit(300, max_tokens=10_000)
    for _ in range(3):
        bench.tick()
    for _ in range(6):
        bench.submit(61)
    stalls = []
    for _ in range(6):
        before_s = bench.clock.now_s
        bench.tick()
        stalls.append(bench.clock.now_s - before_s)
    assert max(stalls) <= 0.21


def test_no_more_run_than_are_allowed() -> None:
    bench = Bench(max_running=3)
    for _ in range(10):
        bench.submit(20, max_tokens=5)
    bench.run()
    assert bench.runner.most_running == 3


def test_a_model_that_cannot_batch_runs_one_request_at_a_time() -> None:
    bench = Bench(batches=False)
    tickets = [bench.submit(20, max_tokens=5) for _ in range(4)]
    bench.run()
    assert bench.runner.most_running == 1
    assert all(len(bench.text(ticket)) == 5 for ticket in tickets)


def test_progress_is_told_up_to_the_whole_prompt() -> None:
    bench = Bench()
    ticket = bench.submit(700)
    bench.run()
    done = [event.done_tokens for event in bench.events[ticket.id] if isinstance(event, Prefill)]
    assert done == sorted(done)
    assert done[-1] == 700


@pytest.mark.parametrize("length", [1, 2, 256, 257, 258])
def test_prompts_around_a_block_are_read_whole(length: int) -> None:
    bench = Bench()
    ticket = bench.submit(length)
    bench.run()
    assert bench.prefilled(ticket) == length - 1
    assert len(bench.text(ticket)) == 3
