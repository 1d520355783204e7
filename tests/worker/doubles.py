"""A runner without a model: a deterministic token machine that does what the engine's port asks, and can fail."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass, field
from typing import Any

from omlx_cli.contract.errors import OmlxError
from omlx_daemon.core.events import Event, Terminal
from omlx_daemon.core.requests import CachePolicy, GenerationRequest, Priority, Prompt, Sampling, TokenPrompt
from omlx_daemon.worker.cache.hot import HotTier
from omlx_daemon.worker.cache.lease import Lease, LeaseState
from omlx_daemon.worker.cache.store import Store
from omlx_daemon.worker.engine.detokenize import ByteDetokenizer, Detokenizer
from omlx_daemon.worker.engine.kvshape import KvShape, Layers
from omlx_daemon.worker.engine.loop import Engine
from omlx_daemon.worker.engine.ports import BatchLostError, Memory, ModelFacts, Row, Sampled, Scores
from omlx_daemon.worker.engine.prefixes import Prefixes
from omlx_daemon.worker.engine.prepare import Preparer
from omlx_daemon.worker.engine.tickets import Ticket, Tickets
from tests.cache.fakes import FakeCache, FakeCodec

POISON = 127
"""A prompt token that no prefill survives."""
VOCABULARY = 128
TOKEN_BYTES = 10


def letter(first: int, count: int) -> int:
    """Return the token that follows `count` others in the answer to a prompt that begins with `first`."""
    return ord("a") + (first + count) % 26


class Clock:
    """A clock that the runner moves by the cost of its work."""

    def __init__(self) -> None:
        self.now_s = 100.0

    def __call__(self) -> float:
        return self.now_s


class Bytes:
    """A tokenizer whose tokens are bytes below 128 and nothing else."""

    def encode_chat(self, prompt: object) -> list[int]:
        raise AssertionError("these tests send tokens")

    def encode_text(self, text: str) -> list[int]:
        return list(text.encode())

    def decode(self, token_ids: Sequence[int]) -> str:
        return bytes(token_ids).decode()

    def detokenizer(self) -> Detokenizer:
        return ByteDetokenizer(self.bytes_of)

    def bytes_of(self, token: int) -> bytes:
        return bytes([token])


@dataclass
class FakePrefill:
    """Rows whose prompts are read; remembers what it was given."""

    runner: FakeRunner
    rows: list[Row]
    given: list[list[int]] = field(default_factory=list)

    def advance(self, chunks: Sequence[Sequence[int]]) -> None:
        tokens = max(map(len, chunks)) * len(chunks)
        self.runner.clock.now_s += tokens / self.runner.prefill_tokens_per_s
        self.runner.chunks.append([(row.uid, len(chunk)) for row, chunk in zip(self.rows, chunks, strict=True)])
        for given, chunk in zip(self.given, chunks, strict=True):
            assert chunk, "every row gets at least one token"
            given.extend(chunk)
        if any(POISON in chunk for chunk in chunks):
            raise RuntimeError("poisoned prompt")

    def source(self, number: int) -> object:
        return list(self.given[number])

    def join(self, last_tokens: Sequence[int]) -> None:
        if self.runner.lose_next_join:
            self.runner.lose_next_join = False
            raise BatchLostError("lost while joining")
        for row, given, last in zip(self.rows, self.given, last_tokens, strict=True):
            assert [*given, last] == list(row.prompt), "the whole prompt, once, in order"
            assert row.uid not in self.runner.running
            self.runner.running[row.uid] = row
            said = row.choosing[0] if isinstance(row.choosing, tuple) else 0
            if said:
                assert list(row.prompt[-said:]) == [letter(row.prompt[0], n) for n in range(said)]
            self.runner.answers[row.uid] = self.runner.said_before[row.uid] = said


class FakeRunner:
    """Answers with the letters of the alphabet, starting at the prompt's first token."""

    def __init__(self, clock: Clock, *, batches: bool = True) -> None:
        self.clock = clock
        self.batches = batches
        self.prefill_tokens_per_s = 1000.0
        self.step_s = 0.01
        self.running: dict[int, Row] = {}
        self.answers: dict[int, int] = {}
        self.said_before: dict[int, int] = {}
        self.chunks: list[list[tuple[int, int]]] = []
        self.most_running = 0
        self.trimmed = 0
        self.lose_next_join = False
        self.fail_next_step = False
        self.fail_next_remove = False
        self.fail_next_suspend = False
        self.faulty: set[int] = set()
        self.kv_limit_bytes = 0

    def start(self, rows: Sequence[Row]) -> FakePrefill:
        return FakePrefill(self, list(rows), [[] for _ in rows])

    def resume(self, row: Row, restored: object, tokens: int) -> FakePrefill:
        assert isinstance(restored, FakeCache)
        assert restored.tokens == tuple(row.prompt[:tokens])
        return FakePrefill(self, [row], [list(restored.tokens)])

    def source(self, uid: int) -> object:
        row = self.running[uid]
        said = range(self.said_before[uid], self.answers[uid])
        return [*row.prompt, *(letter(row.prompt[0], n) for n in said)]

    def step(self) -> list[Sampled]:
        self.clock.now_s += self.step_s
        self.most_running = max(self.most_running, len(self.running))
        if self.fail_next_step:
            self.fail_next_step = False
            raise RuntimeError("the step failed")
        return [self._next(row) for row in self.running.values()]

    def remove(self, uids: Collection[int]) -> None:
        if self.fail_next_remove:
            self.fail_next_remove = False
            raise RuntimeError("the removal failed")
        for uid in uids:
            del self.running[uid]

    def suspend(self, uid: int) -> object:
        del self.running[uid]
        if self.fail_next_suspend:
            self.fail_next_suspend = False
            raise RuntimeError("the suspension failed")
        return (self.answers[uid],)

    def reset(self) -> None:
        self.running.clear()

    def trim(self) -> None:
        self.trimmed += 1

    @property
    def shape(self) -> KvShape:
        return KvShape((Layers(TOKEN_BYTES),))

    def limit_kv(self, size_bytes: int) -> None:
        self.kv_limit_bytes = size_bytes

    def memory(self) -> Memory:
        return Memory(kv_bytes=len(self.running))

    def _next(self, row: Row) -> Sampled:
        count = self.answers[row.uid]
        self.answers[row.uid] += 1
        token = letter(row.prompt[0], count)
        fault = "bad processor" if row.uid in self.faulty else ""
        return Sampled(row.uid, token, Scores(-0.5) if row.plan.logprobs is not None else None, fault)


class LeasingStore(Store):
    """Remembers its leases."""

    def __init__(self, *arguments: Any, **keywords: Any) -> None:
        super().__init__(*arguments, **keywords)
        self.leases: list[Lease] = []

    def match(self, *arguments: Any, **keywords: Any) -> Lease:
        self.leases.append(super().match(*arguments, **keywords))
        return self.leases[-1]


class Bench:
    """An engine on a fake runner, with all that was ever emitted."""

    def __init__(
        self,
        *,
        max_running: int = 8,
        batches: bool = True,
        stall_target_s: float = 0.3,
        hot_bytes: int = 0,
    ) -> None:
        """Run an engine on a runner without a model; its cache keeps `hot_bytes`."""
        self.clock = Clock()
        self.runner = FakeRunner(self.clock, batches=batches)
        self.tickets = Tickets(max_running, 512, self.clock)
        self.store = LeasingStore(FakeCodec() if hot_bytes else None, [HotTier(hot_bytes)] if hot_bytes else [], "fake")
        prefixes = Prefixes(self.store, "fake")
        self.engine = Engine(self.runner, self.tickets, max_running, stall_target_s, self.clock, prefixes)
        self.events: dict[str, list[Event]] = {}
        vocabulary = Bytes()
        self._preparer = Preparer(
            vocabulary,
            vocabulary,
            ModelFacts(context_tokens=100_000, vocabulary_tokens=VOCABULARY),
            bound=self.engine.bound,
        )
        self._count = 0

    def submit(
        self,
        length: int = 4,
        *,
        prompt: Prompt | None = None,
        max_tokens: int = 3,
        sampling: Sampling | None = None,
        priority: Priority = Priority.NORMAL,
        deadline_s: float | None = None,
        client: str = "",
        policy: CachePolicy | None = None,
    ) -> Ticket:
        """Admit a request with a prompt of `length` tokens."""
        self._count += 1
        request = GenerationRequest(
            id=f"r{self._count}",
            model="fake",
            prompt=prompt or TokenPrompt(token_ids=(1,) * length),
            sampling=sampling or Sampling(max_tokens=max_tokens),
            priority=priority,
            deadline_s=deadline_s,
            client=client,
            cache=policy or CachePolicy(),
        )
        ticket = self.tickets.open(request)
        try:
            sequence = self._preparer.prepare(ticket, request)
        except OmlxError:
            self.tickets.close(ticket)
            raise
        assert self.tickets.hand_over(ticket)
        self.engine.admit(sequence)
        self.events[ticket.id] = []
        return ticket

    def tick(self) -> None:
        self.take(self.engine.tick())

    def take(self, items: Sequence[tuple[str, Event]]) -> None:
        for request_id, event in items:
            assert not self.ended(request_id), f"{event} after the end of {request_id}"
            self.events[request_id].append(event)

    def run(self, ticks: int = 100_000) -> None:
        """Tick until nothing is left."""
        while self.engine.busy:
            self.tick()
            ticks -= 1
            assert ticks, "the engine does not come to an end"

    def ended(self, request_id: str) -> bool:
        return any(isinstance(event, Terminal) for event in self.events[request_id])

    def end(self, ticket: Ticket) -> Event:
        return self.events[ticket.id][-1]

    def text(self, ticket: Ticket) -> str:
        return "".join(getattr(event, "text", "") for event in self.events[ticket.id])

    def check_nothing_leaked(self) -> None:
        """Assert that nobody holds a place, a row, or anything of the cache; everything must have ended."""
        report = self.engine.report()
        assert (report.running, report.queued, len(self.tickets), len(self.runner.running)) == (0, 0, 0, 0)
        self.store.evict_hot(1 << 60)
        assert all(tier.size_bytes == 0 for tier in self.store.stats().tiers), "what is leased cannot be evicted"
        assert {lease.state for lease in self.store.leases} <= {LeaseState.ENDED}

    def prefilled(self, ticket: Ticket) -> int:
        """Return how many prompt tokens of a request were computed."""
        return sum(tokens for chunk in self.runner.chunks for uid, tokens in chunk if uid == ticket.uid)
