"""One terminal event for each request, whatever happens to it or to its neighbours."""

from __future__ import annotations

import pytest

from omlx_cli.contract.errors import Code
from omlx_daemon.core.events import Failed, Finished, FinishReason, Prefill, Text
from omlx_daemon.core.requests import Sampling, TokenPrompt
from omlx_daemon.worker.engine.tickets import Ticket
from tests.worker.doubles import POISON, Bench


def code(bench: Bench, ticket: Ticket) -> Code:
    event = bench.end(ticket)
    assert isinstance(event, Failed)
    return event.error.code


def reason(bench: Bench, ticket: Ticket) -> FinishReason:
    event = bench.end(ticket)
    assert isinstance(event, Finished)
    return event.reason


def test_a_cancel_in_line_takes_one_step() -> None:
    bench = Bench(max_running=1)
    bench.submit(10, max_tokens=1000)
    waiting = bench.submit(10)
    bench.tick()
    bench.tickets.cancel(waiting.id)
    bench.tick()
    assert code(bench, waiting) is Code.CANCELLED


def test_a_cancel_in_the_middle_of_a_prompt_takes_one_step() -> None:
    bench = Bench()
    ticket = bench.submit(20_000)
    bench.tick()
    assert 0 < bench.prefilled(ticket) < 19_999
    bench.tickets.cancel(ticket.id)
    bench.tick()
    assert code(bench, ticket) is Code.CANCELLED
    assert not bench.engine.busy


def test_a_cancel_while_decoding_takes_one_step_and_leaves_the_neighbour() -> None:
    bench = Bench()
    ticket, neighbour = bench.submit(10, max_tokens=1000), bench.submit(10, max_tokens=20)
    for _ in range(5):
        bench.tick()
    bench.tickets.cancel(ticket.id)
    bench.tick()
    assert code(bench, ticket) is Code.CANCELLED
    assert ticket.uid not in bench.runner.running
    bench.run()
    assert len(bench.text(neighbour)) == 20


def test_a_failing_prompt_fails_alone() -> None:
    bench = Bench()
    running = bench.submit(10, max_tokens=20)
    bench.tick()
    poisoned = bench.submit(prompt=TokenPrompt(token_ids=(1,) * 300 + (POISON,) + (1,) * 300))
    later = bench.submit(500)
    bench.run()
    assert code(bench, poisoned) is Code.GENERATION_FAILED
    assert reason(bench, running) is reason(bench, later) is FinishReason.LENGTH


def test_a_failing_prompt_in_a_group_fails_alone() -> None:
    bench = Bench()
    good = [bench.submit(30) for _ in range(3)]
    poisoned = bench.submit(prompt=TokenPrompt(token_ids=(1,) * 15 + (POISON,) + (1,) * 14))
    bench.run()
    assert code(bench, poisoned) is Code.GENERATION_FAILED
    assert [reason(bench, ticket) for ticket in good] == [FinishReason.LENGTH] * 3


@pytest.mark.parametrize("failure", ["fail_next_step", "fail_next_remove", "lose_next_join"])
def test_a_failing_batch_fails_its_rows_and_the_engine_goes_on(failure: str) -> None:
    bench = Bench(max_running=3)
    tickets = [bench.submit(300 + n, max_tokens=4) for n in range(6)]
    for _ in range(3):
        bench.tick()
    setattr(bench.runner, failure, True)
    bench.run()
    ends = [bench.end(ticket) for ticket in tickets]
    failed = [end for end in ends if isinstance(end, Failed)]
    assert 1 <= len(failed) <= 3
    assert {end.error.code for end in failed} == {Code.GENERATION_FAILED}
    assert isinstance(bench.end(bench_again(bench)), Finished)


def bench_again(bench: Bench) -> Ticket:
    """Return one more request, after it has run."""
    ticket = bench.submit(10)
    bench.run()
    return ticket


def test_a_fault_of_one_row_fails_that_row_alone() -> None:
    bench = Bench()
    faulty, neighbour = bench.submit(10, max_tokens=9), bench.submit(10, max_tokens=9)
    bench.tick()
    bench.runner.faulty.add(faulty.uid)
    bench.run()
    assert code(bench, faulty) is Code.GENERATION_FAILED
    assert len(bench.text(neighbour)) == 9


def test_a_deadline_ends_a_running_and_a_waiting_request() -> None:
    bench = Bench(max_running=1)
    running = bench.submit(10, max_tokens=100_000, deadline_s=1.0)
    waiting = bench.submit(10, deadline_s=0.5)
    patient = bench.submit(10)
    bench.run()
    assert code(bench, running) is code(bench, waiting) is Code.TIMEOUT
    assert reason(bench, patient) is FinishReason.LENGTH


def test_stop_tokens_end_the_answer_and_are_not_part_of_it() -> None:
    bench = Bench()
    prompt = TokenPrompt(token_ids=(0, 1))
    ticket = bench.submit(prompt=prompt, sampling=Sampling(max_tokens=9, stop_token_ids=(ord("d"),)))
    bench.run()
    assert bench.text(ticket) == "abc"
    end = bench.end(ticket)
    assert isinstance(end, Finished)
    assert (end.reason, end.usage.completion_tokens, end.usage.prompt_tokens) == (FinishReason.STOP, 4, 2)


def test_a_stop_string_ends_the_answer() -> None:
    bench = Bench()
    sampling = Sampling(max_tokens=20, stop=("def", "zz"), logprobs=0)
    ticket = bench.submit(prompt=TokenPrompt(token_ids=(0, 1)), sampling=sampling)
    bench.run()
    end = bench.end(ticket)
    assert isinstance(end, Finished)
    assert (bench.text(ticket), end.reason, end.stop_text) == ("abc", FinishReason.STOP, "def")
    texts = [event for event in bench.events[ticket.id] if isinstance(event, Text)]
    assert "".join(entry.chosen.text for event in texts for entry in event.logprobs) == "abc"
    assert not bench.runner.running


def test_an_answer_of_no_tokens_ends_at_once() -> None:
    bench = Bench()
    ticket = bench.submit(10, max_tokens=0)
    bench.run()
    assert reason(bench, ticket) is FinishReason.LENGTH
    assert not bench.runner.chunks


def test_abort_ends_all_that_is_left() -> None:
    bench = Bench(max_running=2)
    tickets = [bench.submit(10, max_tokens=100) for _ in range(4)]
    bench.tick()
    bench.tick()
    ended = dict(bench.engine.abort())
    assert set(ended) == {ticket.id for ticket in tickets}
    assert {event.error.code for event in ended.values() if isinstance(event, Failed)} == {Code.SHUTTING_DOWN}
    assert len(bench.tickets) == 0
    assert not bench.engine.busy


def test_reports_tell_what_those_with_a_place_will_need() -> None:
    bench = Bench(max_running=2)
    assert bench.engine.report().kv_expected_bytes == 0
    bench.submit(1000, max_tokens=10)
    bench.tick()
    one = bench.engine.report().kv_expected_bytes
    assert one >= bench.runner.shape.held_at(1010)
    for _ in range(2):
        bench.submit(1000, max_tokens=10)
    bench.tick()
    assert bench.engine.report().kv_expected_bytes == 2 * one, "the third has no place yet"
    bench.run()
    assert bench.engine.report().kv_expected_bytes == 0


def test_trimming_asks_the_backend_and_survives_its_failure(monkeypatch: pytest.MonkeyPatch) -> None:
    bench = Bench()
    bench.engine.trim()
    assert bench.runner.trimmed == 1
    monkeypatch.setattr(bench.runner, "trim", lambda: 1 / 0)
    bench.engine.trim()
    ticket = bench.submit(10)
    bench.run()
    assert reason(bench, ticket) is FinishReason.LENGTH


@pytest.mark.parametrize("hot_bytes", [0, 1 << 30], ids=["without a cache", "nothing stored"])
def test_a_miss_is_told_before_the_first_chunk_is_computed(hot_bytes: int) -> None:
    bench = Bench(hot_bytes=hot_bytes)
    ticket = bench.submit(5000)
    assert bench.engine.look_up() == [(ticket.id, Prefill(done_tokens=0, total_tokens=5000))]
    assert bench.runner.chunks == []
    assert bench.engine.look_up() == [], "it is told once"
    running = bench.submit(4)
    bench.tick()
    bench.tick()
    assert running.uid in bench.runner.running
    bench.submit(5000)
    assert bench.engine.look_up() == [], "the tick that decodes tells"


def test_reports_count_steps_and_requests() -> None:
    bench = Bench(max_running=1)
    bench.submit(10, max_tokens=200)
    bench.submit(10)
    bench.tick()
    report = bench.engine.report_if_due()
    assert report is not None
    assert (report.steps, report.running, report.queued) == (1, 1, 1)
    assert bench.engine.report_if_due() is None, "nothing has changed"
    bench.clock.now_s += 0.6
    bench.tick()
    later = bench.engine.report_if_due()
    assert later is not None
    assert later.decode_tokens_per_s > 0
    bench.run()
    last = bench.engine.report_if_due()
    assert last is not None
    assert (last.running, last.queued, last.decode_tokens_per_s) == (0, 0, 0.0)
