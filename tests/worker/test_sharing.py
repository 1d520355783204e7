"""Requests that need what another one is computing, and what ends them while they wait."""

from __future__ import annotations

import pytest

from omlx_cli.contract.errors import Code
from omlx_daemon.core.events import Failed, Finished
from omlx_daemon.core.requests import Priority, TokenPrompt
from omlx_daemon.worker.cache.lease import LeaseState
from omlx_daemon.worker.engine.tickets import Ticket
from tests.worker.doubles import Bench

PLENTY = 1 << 30


def shared(tail: int, length: int = 1500) -> TokenPrompt:
    """Return a prompt whose last 100 tokens are its own."""
    return TokenPrompt(token_ids=(2,) * (length - 100) + (tail,) * 100)


def cached(bench: Bench, ticket: Ticket) -> int:
    end = bench.end(ticket)
    assert isinstance(end, Finished)
    return end.usage.cached_tokens


def waiting_state(bench: Bench) -> list[LeaseState]:
    return [lease.state for lease in bench.store.leases if lease.state is not LeaseState.ENDED]


def begin_sharing(bench: Bench, first: Priority, second: Priority) -> tuple[Ticket, Ticket]:
    """Submit two prompts with one beginning; return when the second waits for the first."""
    bench.runner.prefill_tokens_per_s = 300.0
    one = bench.submit(prompt=shared(3), priority=first)
    bench.tick()
    two = bench.submit(prompt=shared(4), priority=second)
    bench.tick()
    assert waiting_state(bench)[1] is LeaseState.WAITING
    return one, two


def test_what_two_prompts_share_is_computed_once() -> None:
    bench = Bench(hot_bytes=PLENTY)
    one, two = begin_sharing(bench, Priority.NORMAL, Priority.NORMAL)
    bench.run()
    assert bench.prefilled(one) == 1499
    assert bench.prefilled(two) <= 1500 - 1280
    assert cached(bench, two) >= 1280


def order_beside_rivals(waiter: Priority | None) -> list[str]:
    """Return who ends first: a batch prompt that may be waited for, or normal ones that came after it."""
    bench = Bench(hot_bytes=PLENTY)
    bench.runner.prefill_tokens_per_s = 300.0
    names = {bench.submit(prompt=shared(3), priority=Priority.BATCH).id: "batch"}
    bench.tick()
    if waiter is not None:
        names[bench.submit(prompt=shared(4), priority=waiter).id] = "waiter"
    for number in range(3):
        prompt = TokenPrompt(token_ids=(10 + number,) * 600)
        names[bench.submit(prompt=prompt, priority=Priority.NORMAL).id] = "rival"
    order: list[str] = []
    while bench.engine.busy:
        bench.tick()
        order += [names.pop(name) for name in list(names) if bench.ended(name)]
    return order


def test_one_that_an_urgent_request_waits_for_is_as_urgent() -> None:
    assert order_beside_rivals(None) == ["rival", "rival", "rival", "batch"]
    assert order_beside_rivals(Priority.INTERACTIVE) == ["waiter", "rival", "rival", "rival", "batch"]


def test_urgency_passes_through_a_chain_of_those_who_wait() -> None:
    bench = Bench(hot_bytes=PLENTY)
    bench.runner.prefill_tokens_per_s = 300.0
    first = bench.submit(prompt=TokenPrompt(token_ids=(2,) * 1500), priority=Priority.BATCH)
    bench.tick()
    tail = (2,) * 1499
    second = bench.submit(prompt=TokenPrompt(token_ids=(*tail, *(5,) * 600)), priority=Priority.BATCH)
    bench.tick()
    third = bench.submit(prompt=TokenPrompt(token_ids=(*tail, *(5,) * 599, 6)), priority=Priority.INTERACTIVE)
    bench.tick()
    assert waiting_state(bench)[1:] == [LeaseState.WAITING, LeaseState.WAITING]
    rival = bench.submit(800, priority=Priority.NORMAL)
    while not bench.ended(third.id):
        bench.tick()
    assert not bench.ended(rival.id)
    bench.run()
    assert all(isinstance(bench.end(ticket), Finished) for ticket in (first, second, third, rival))


def test_who_waits_goes_on_when_the_one_it_waits_for_ends() -> None:
    bench = Bench(hot_bytes=PLENTY)
    one, two = begin_sharing(bench, Priority.NORMAL, Priority.NORMAL)
    bench.tickets.cancel(one.id)
    bench.run()
    assert bench.prefilled(one) + bench.prefilled(two) <= 1499 + 256
    assert isinstance(bench.end(two), Finished)
    bench.check_nothing_leaked()


def line(bench: Bench) -> Ticket:
    """Return a request that stands in line without a place."""
    bench.submit(10, max_tokens=10_000)
    bench.tick()
    return bench.submit(10)


def restoring(bench: Bench) -> Ticket:
    """Return a request whose prompt is being restored, a block in each step."""
    bench.submit(prompt=shared(3))
    bench.run()
    bench.submit(10, max_tokens=10_000)
    bench.tick()
    ticket = bench.submit(prompt=shared(4))
    bench.tick()
    assert waiting_state(bench)[-1] is LeaseState.LOADING
    return ticket


def awaiting(bench: Bench) -> Ticket:
    """Return a request that waits for blocks that another one computes."""
    return begin_sharing(bench, Priority.NORMAL, Priority.NORMAL)[1]


def prefilling(bench: Bench) -> Ticket:
    """Return a request in the middle of its prompt."""
    ticket = bench.submit(20_000)
    bench.tick()
    assert 0 < bench.prefilled(ticket) < 19_999
    return ticket


def decoding(bench: Bench) -> Ticket:
    """Return a request in the middle of its answer."""
    ticket = bench.submit(10, max_tokens=10_000)
    for _ in range(5):
        bench.tick()
    assert bench.text(ticket)
    return ticket


PHASES = {"line": line, "restoring": restoring, "awaiting": awaiting, "prefilling": prefilling, "decoding": decoding}


@pytest.mark.parametrize("phase", PHASES)
@pytest.mark.parametrize("cause", [Code.CANCELLED, Code.TIMEOUT])
def test_a_cancel_and_a_deadline_end_a_request_within_one_step(
    phase: str, cause: Code, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("omlx_daemon.worker.engine.prefixes.MOVE_BYTES", 1)
    bench = Bench(max_running=1 if phase == "line" else 8, hot_bytes=PLENTY)
    ticket = PHASES[phase](bench)
    if cause is Code.CANCELLED:
        bench.tickets.cancel(ticket.id)
    else:
        ticket.deadline_s = bench.clock.now_s
    bench.tick()
    end = bench.end(ticket)
    assert isinstance(end, Failed)
    assert end.error.code is cause
    for other in bench.events:
        bench.tickets.cancel(other)
    bench.run()
    bench.check_nothing_leaked()
