"""Requests come, are cancelled, time out and fail in any order; each ends once, and nothing is left of it."""

from __future__ import annotations

from dataclasses import dataclass

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from omlx_cli.contract.errors import Code, OmlxError
from omlx_daemon.core.events import Failed, Finished, FinishReason, Terminal
from omlx_daemon.core.requests import CachePolicy, Priority, Sampling, TokenPrompt
from omlx_daemon.worker.engine.tickets import Ticket
from tests.worker.doubles import POISON, TOKEN_BYTES, Bench, letter

FAILURES = ("fail_next_step", "fail_next_remove", "fail_next_suspend", "lose_next_join")


@dataclass(frozen=True)
class Wish:
    length: int
    first: int
    max_tokens: int
    poisoned: bool
    priority: Priority
    client: str
    deadline_s: float | None
    stop: tuple[str, ...]
    policy: CachePolicy


WISHES = st.builds(
    Wish,
    length=st.sampled_from([1, 2, 30, 60, 300, 300, 700, 700, 3000]),
    first=st.integers(0, 1),
    max_tokens=st.sampled_from([0, 1, 6, 40, 200]),
    poisoned=st.sampled_from([False] * 7 + [True]),
    priority=st.sampled_from(list(Priority)),
    client=st.sampled_from("ab"),
    deadline_s=st.sampled_from([None] * 6 + [0.0, 0.5]),
    stop=st.sampled_from([(), (), (), ("k",), ("kl", "pqr")]),
    policy=st.sampled_from([CachePolicy()] * 4 + [CachePolicy(no_store=True), CachePolicy(warm=True)]),
)


CROWDING = Wish(300, 1, 200, False, Priority.NORMAL, "a", None, (), CachePolicy())


class Life(RuleBasedStateMachine):
    """An engine with a cache; prompts begin alike, so that requests share, wait for and restore prefixes."""

    def __init__(self) -> None:
        super().__init__()
        self.tickets: list[Ticket] = []
        self.asked: dict[str, tuple[int, Sampling]] = {}
        self.stopped = False

    @initialize(
        max_running=st.integers(1, 4),
        batches=st.booleans(),
        hot_bytes=st.sampled_from([0, 4000, 1 << 30]),
        kv_tokens=st.sampled_from([0, 0, 2048, 4096]),
    )
    def start(self, max_running: int, batches: bool, hot_bytes: int, kv_tokens: int) -> None:
        self.bench = Bench(max_running=max_running, batches=batches, hot_bytes=hot_bytes)
        self.bench.engine.limit_kv(kv_tokens * TOKEN_BYTES)

    @rule(wishes=st.lists(WISHES, min_size=1, max_size=5), times=st.integers(0, 6))
    def submit(self, wishes: list[Wish], times: int) -> None:
        for wish in wishes:
            self._submit(wish)
        self.tick(times)

    def _submit(self, wish: Wish) -> None:
        ids = [wish.first] * wish.length
        ids[wish.length // 2] = POISON if wish.poisoned else wish.first
        sampling = Sampling(max_tokens=wish.max_tokens, stop=wish.stop)
        try:
            ticket = self.bench.submit(
                prompt=TokenPrompt(token_ids=tuple(ids)),
                sampling=sampling,
                priority=wish.priority,
                deadline_s=wish.deadline_s,
                client=wish.client,
                policy=wish.policy,
            )
        except OmlxError as error:
            assert error.code is (Code.SHUTTING_DOWN if self.stopped else Code.INSUFFICIENT_MEMORY)
            return
        self.tickets.append(ticket)
        self.asked[ticket.id] = (ids[0], sampling)

    @rule(count=st.integers(2, 4), cut=st.booleans())
    def crowd(self, count: int, cut: bool) -> None:
        """Have long answers outgrow the memory that is allowed."""
        self.submit([CROWDING] * count, 0)
        self.tick(20 * count)
        if cut:
            self.limit(1024)
            self.tick(5)

    @rule(pick=st.integers(0, 1000))
    def cancel(self, pick: int) -> None:
        if self.tickets:
            ticket = self.tickets[pick % len(self.tickets)]
            assert self.bench.tickets.cancel(ticket.id) is None, "the engine's own to end"

    @rule(failure=st.sampled_from(FAILURES))
    def break_something(self, failure: str) -> None:
        setattr(self.bench.runner, failure, True)

    @rule(pick=st.integers(0, 1000))
    def fault(self, pick: int) -> None:
        if self.tickets:
            self.bench.runner.faulty.add(self.tickets[pick % len(self.tickets)].uid)

    @rule(share=st.sampled_from([1, 2000, 1 << 40]))
    def evict(self, share: int) -> None:
        self.bench.store.evict_hot(share)

    @rule()
    def forget(self) -> None:
        self.bench.store.invalidate()

    @rule(kv_tokens=st.sampled_from([0, 1024, 2048, 8192]))
    def limit(self, kv_tokens: int) -> None:
        self.bench.engine.limit_kv(kv_tokens * TOKEN_BYTES)

    @rule(seconds=st.sampled_from([0.1, 3.0, 30.0]))
    def wait(self, seconds: float) -> None:
        self.bench.clock.now_s += seconds

    @rule(times=st.integers(1, 30))
    def tick(self, times: int) -> None:
        for _ in range(times):
            if self.bench.engine.busy:
                self.bench.tick()

    @precondition(lambda self: len(self.tickets) > 12)
    @rule()
    def abort(self) -> None:
        """Stop as a worker does when its deadline is over; what comes later is refused."""
        self.bench.tickets.refuse()
        self.stopped = True
        self.bench.take(self.bench.engine.abort())
        assert all(self.bench.ended(ticket.id) for ticket in self.tickets)
        assert not self.bench.engine.busy

    @invariant()
    def only_open_requests_run(self) -> None:
        if hasattr(self, "bench"):
            open_uids = {ticket.uid for ticket in self.tickets if not self.bench.ended(ticket.id)}
            assert set(self.bench.runner.running) <= open_uids

    def teardown(self) -> None:
        if not hasattr(self, "bench"):
            return
        self.bench.run()
        for ticket in self.tickets:
            ends = [event for event in self.bench.events[ticket.id] if isinstance(event, Terminal)]
            assert len(ends) == 1
            self._check_end(ticket, ends[0])
        self.bench.check_nothing_leaked()

    def _check_end(self, ticket: Ticket, end: Terminal) -> None:
        first, sampling = self.asked[ticket.id]
        said = self.bench.text(ticket)
        whole = "".join(chr(letter(first, n)) for n in range(sampling.max_tokens or 0))
        assert whole.startswith(said), "no token is lost, repeated or another's"
        if isinstance(end, Finished) and end.reason is FinishReason.LENGTH:
            assert len(said) == end.usage.completion_tokens
        if isinstance(end, Failed):
            expected = {Code.CANCELLED, Code.TIMEOUT, Code.SHUTTING_DOWN, Code.GENERATION_FAILED}
            assert end.error.code in expected


TestLife = Life.TestCase
TestLife.settings = settings(max_examples=60, stateful_step_count=40, deadline=None)
