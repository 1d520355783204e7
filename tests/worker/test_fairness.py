"""Who starts when: classes, clients, patience, memory, and prefixes that another one computes."""

from __future__ import annotations

from itertools import groupby

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from omlx_cli.contract.errors import Code, OmlxError
from omlx_daemon.core.events import Failed, Finished, FinishReason, Prefill, Text
from omlx_daemon.core.requests import Priority, Sampling, TokenPrompt
from omlx_daemon.worker.engine.places import PATIENCE_S, PATIENT_TURN
from omlx_daemon.worker.engine.tickets import Ticket
from tests.worker.doubles import TOKEN_BYTES, Bench, letter


def started(bench: Bench) -> list[int]:
    """Return the uids in the order in which their prompts were begun."""
    return list(dict.fromkeys(uid for chunk in bench.runner.chunks for uid, _ in chunk))


def test_a_place_goes_to_the_more_urgent_class_and_within_it_to_the_first() -> None:
    bench = Bench(max_running=1)
    running = bench.submit(300, max_tokens=20)
    bench.tick()
    batch, normal, later, interactive = (
        bench.submit(300, priority=priority)
        for priority in (Priority.BATCH, Priority.NORMAL, Priority.NORMAL, Priority.INTERACTIVE)
    )
    bench.run()
    assert started(bench) == [ticket.uid for ticket in (running, interactive, normal, later, batch)]


def test_a_client_with_many_requests_does_not_keep_another_waiting() -> None:
    bench = Bench(max_running=2)
    for _ in range(30):
        bench.submit(200, client="many", max_tokens=10)
    bench.tick()
    single = bench.submit(200, client="single", max_tokens=10)
    bench.run()
    assert started(bench).index(single.uid) == 2, "the next place that is free"


def test_clients_get_places_in_turn() -> None:
    bench = Bench(max_running=1)
    bench.submit(300, client="first", max_tokens=1)
    bench.tick()
    owners = {}
    for client in ("a", "a", "a", "b", "b", "b", "c", "c", "c"):
        owners[bench.submit(300, client=client, max_tokens=1).uid] = client
    bench.run()
    order = [owners[uid] for uid in started(bench)[1:]]
    assert order == list("abcabcabc")


def test_clients_that_hold_places_leave_the_next_to_others() -> None:
    bench = Bench(max_running=3)
    owners = {}
    for client in ("a", "a", "a", "a", "b", "b", "c"):
        owners[bench.submit(300, client=client, max_tokens=40).uid] = client
    bench.run()
    assert sorted(owners[uid] for uid in started(bench)[:3]) == ["a", "b", "c"]


def test_a_client_that_had_fewer_tokens_computed_has_its_prompt_read_first() -> None:
    bench = Bench(max_running=64)
    bench.submit(10, max_tokens=10_000)
    bench.tick()
    greedy = [bench.submit(100, client="greedy") for _ in range(20)]
    for _ in range(4):
        bench.tick()
    modest = bench.submit(700, client="modest")
    ticks = 0
    while not bench.text(modest):
        bench.tick()
        ticks += 1
    assert ticks <= 2 * 700 // 100
    assert sum(bool(bench.text(ticket)) for ticket in greedy) < 20


@settings(max_examples=60, deadline=None)
@given(
    earlier=st.lists(st.sampled_from(list(Priority)), max_size=6),
    mine=st.sampled_from(list(Priority)),
    rivals=st.lists(
        st.tuples(st.sampled_from(list(Priority)), st.text("abcdef", max_size=2), st.sampled_from([1, 40, 300, 900])),
        min_size=150,
        max_size=150,
    ),
    places=st.integers(1, 4),
)
def test_nobody_starves_whatever_arrives(
    earlier: list[Priority], mine: Priority, rivals: list[tuple[Priority, str, int]], places: int
) -> None:
    bench = Bench(max_running=places)
    for priority in earlier:
        bench.submit(300, priority=priority, client="x", max_tokens=2)
    ticket = bench.submit(900, priority=mine, client="x", max_tokens=2)
    patience_s = PATIENCE_S[mine]
    allowed = PATIENT_TURN * (len(earlier) + 2) + places
    since, ends_before = 0, 0
    for priority, client, length in rivals:
        while len(bench.tickets) > 12:
            bench.tick()
        bench.submit(length, priority=priority, client=client, max_tokens=1)
        bench.tick()
        if ticket.uid in started(bench):
            break
        if bench.clock.now_s >= ticket.arrived_s + patience_s:
            ends_before = ends_before or len(started(bench))
            since = len(started(bench)) - ends_before
        assert since <= allowed, "each fourth place goes to one that came before it"
    else:
        assert bench.clock.now_s < ticket.arrived_s + patience_s + 60
    bench.run()
    assert isinstance(bench.end(ticket), Finished)


def held(bench: Bench, *pairs: tuple[int, int]) -> int:
    return sum(bench.runner.shape.held_at(prompt + answer) for prompt, answer in pairs)


def test_a_request_waits_until_its_kv_fits() -> None:
    bench = Bench()
    bench.engine.limit_kv(held(bench, (300, 50), (300, 50)))
    first, second, third = (bench.submit(300, max_tokens=50) for _ in range(3))
    for _ in range(20):
        bench.tick()
    assert set(bench.runner.running) == {first.uid, second.uid}
    report = bench.engine.report()
    assert (report.running, report.queued) == (2, 1)
    bench.run()
    assert bench.runner.most_running == 2
    assert len(bench.text(third)) == 50


def test_a_small_one_passes_a_big_one_until_that_has_waited_long_enough() -> None:
    bench = Bench()
    bench.engine.limit_kv(held(bench, (4000, 10)))
    bench.submit(300, max_tokens=1000)
    bench.tick()
    big = bench.submit(3800, max_tokens=10)
    quick = bench.submit(100, max_tokens=2)
    for _ in range(6):
        bench.tick()
    assert bench.ended(quick.id)
    bench.clock.now_s += 3.0
    late = bench.submit(100, max_tokens=2)
    for _ in range(10):
        bench.tick()
    assert not bench.ended(late.id)
    bench.run()
    assert started(bench)[-2:] == [big.uid, late.uid]


def test_a_prompt_that_never_fits_is_refused_with_the_numbers() -> None:
    bench = Bench()
    bench.engine.limit_kv(1000 * TOKEN_BYTES)
    with pytest.raises(OmlxError, match="5000 prompt tokens takes 1 MiB and 1 MiB are allowed, which is 768") as caught:
        bench.submit(5000)
    assert caught.value.code is Code.INSUFFICIENT_MEMORY


def test_an_answer_ends_where_the_memory_for_it_does() -> None:
    bench = Bench()
    bench.engine.limit_kv(512 * TOKEN_BYTES)
    ticket = bench.submit(400, max_tokens=5000)
    bench.run()
    end = bench.end(ticket)
    assert isinstance(end, Finished)
    assert (end.reason, end.usage.completion_tokens) == (FinishReason.LENGTH, 112)


def test_answers_that_outgrow_the_memory_step_back_and_go_on_later() -> None:
    bench = Bench()
    bench.engine.limit_kv(held(bench, (10, 1100), (10, 1100)))
    sampling = Sampling(max_tokens=1800)
    tickets = [
        bench.submit(prompt=TokenPrompt(token_ids=(first,) * 10), sampling=sampling, priority=priority)
        for first, priority in ((1, Priority.BATCH), (2, Priority.NORMAL))
    ]
    most = 0
    while bench.engine.busy:
        bench.tick()
        rows = bench.runner.running.values()
        used = sum(bench.runner.shape.held_at(10 + bench.runner.answers[row.uid]) for row in rows)
        most = max(most, used)
    assert bench.runner.most_running == 2
    assert most <= held(bench, (10, 1100), (10, 1100)) + 2 * 256 * TOKEN_BYTES
    for first, ticket in zip((1, 2), tickets, strict=True):
        assert bench.text(ticket) == "".join(chr(letter(first, n)) for n in range(1800))
        end = bench.end(ticket)
        assert isinstance(end, Finished)
        assert (end.usage.prompt_tokens, end.usage.completion_tokens) == (10, 1800)
        kinds = [kind for kind, _ in groupby(bench.events[ticket.id], type)]
        assert kinds == [Prefill, Text, Finished], "what is computed again is nobody's progress"
    uids = [uid for chunk in bench.runner.chunks for uid, tokens in chunk if tokens > 9]
    assert set(uids) == {tickets[0].uid}, "the less urgent one steps back"


def test_a_step_back_that_fails_ends_what_is_in_the_batch() -> None:
    bench = Bench()
    tickets = [bench.submit(10, max_tokens=1800) for _ in range(4)]
    for _ in range(10):
        bench.tick()
    assert len(bench.runner.running) == 4
    bench.engine.limit_kv(held(bench, (10, 10)))
    bench.runner.fail_next_suspend = True
    bench.run()
    for ticket in tickets:
        end = bench.end(ticket)
        assert isinstance(end, Failed)
        assert end.error.code is Code.GENERATION_FAILED
    assert not bench.runner.running


def test_one_that_stepped_back_can_be_cancelled() -> None:
    bench = Bench()
    bench.engine.limit_kv(held(bench, (10, 1100), (10, 1100)))
    tickets = [bench.submit(10, max_tokens=1800) for _ in range(2)]
    waiting: list[Ticket] = []
    while not waiting:
        bench.tick()
        rows = bench.runner.running
        waiting = [ticket for ticket in tickets if bench.text(ticket) and ticket.uid not in rows]
    bench.tickets.cancel(waiting[0].id)
    bench.tick()
    end = bench.end(waiting[0])
    assert isinstance(end, Failed)
    assert end.error.code is Code.CANCELLED
    bench.run()
