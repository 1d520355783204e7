"""The engine with its cache, on tiny models of every family: what is reused, shared and batched changes no token."""

from __future__ import annotations

import random
import time
from collections.abc import Sequence
from functools import cache
from typing import Any

import pytest

from omlx_daemon.core.events import Event, Failed, Finished, Prefill, Text, Usage
from omlx_daemon.core.requests import CachePolicy, ChatPrompt, GenerationRequest, Message, Sampling, TokenPrompt
from omlx_daemon.wire.cache import CacheStart
from omlx_daemon.worker.accountant import Accountant
from omlx_daemon.worker.backend.kv.opening import open_codec
from omlx_daemon.worker.backend.runner import BatchRunner
from omlx_daemon.worker.cache.hot import HotTier
from omlx_daemon.worker.cache.store import Store
from omlx_daemon.worker.engine.detokenize import ByteDetokenizer, Detokenizer
from omlx_daemon.worker.engine.loop import Engine
from omlx_daemon.worker.engine.ports import ModelFacts
from omlx_daemon.worker.engine.prefixes import Prefixes
from omlx_daemon.worker.engine.prepare import Preparer
from omlx_daemon.worker.engine.tickets import Ticket, Tickets
from omlx_daemon.worker.prefixcache import open_cache
from tests.cache import tiny

ANSWER = 6
LENGTHS = (2, 30, 45, 256, 300, 515)


class Numbers:
    """A tokenizer whose tokens are numbers."""

    def encode_chat(self, prompt: ChatPrompt) -> list[int]:
        return [token for message in prompt.messages for token in (len(message.role), *map(ord, message.content))]

    def encode_text(self, text: str) -> list[int]:
        raise AssertionError("these tests send tokens")

    def decode(self, token_ids: Sequence[int]) -> str:
        return " ".join(map(str, token_ids))

    def detokenizer(self) -> Detokenizer:
        return ByteDetokenizer(self.bytes_of)

    def bytes_of(self, token: int) -> bytes:
        return f"{token} ".encode()


@cache
def model_of(name: str) -> Any:
    return tiny.make(name)


class Bench:
    """An engine with a cache in memory, or without one."""

    def __init__(self, name: str, *, cached: bool = True) -> None:
        model = model_of(name)
        opened = open_codec(model, 16)
        assert opened.codec is not None, opened.problem
        self.store = Store(opened.codec, [HotTier(1 << 30)], name) if cached else Store(None, (), name)
        self.tickets = Tickets(8, 64, time.monotonic)
        runner = BatchRunner(model)
        self.engine = Engine(runner, self.tickets, 8, 0.3, time.monotonic, Prefixes(self.store, name))
        facts = ModelFacts(context_tokens=8192, vocabulary_tokens=tiny.VOCABULARY)
        marks = self.store.needs_checkpoints
        self._preparer = Preparer(Numbers(), Numbers(), facts, marks_boundaries=marks)
        self.events: dict[str, list[Event]] = {}

    def submit(self, prompt: list[int] | ChatPrompt, policy: CachePolicy | None = None) -> Ticket:
        request = GenerationRequest(
            id=f"r{len(self.events)}",
            model="it",
            prompt=TokenPrompt(token_ids=tuple(prompt)) if isinstance(prompt, list) else prompt,
            sampling=Sampling(temperature=0.0, max_tokens=ANSWER),
            cache=policy or CachePolicy(),
        )
        ticket = self.tickets.open(request)
        sequence = self._preparer.prepare(ticket, request)
        assert self.tickets.hand_over(ticket)
        self.events[ticket.id] = []
        self.engine.admit(sequence)
        return ticket

    def tick(self) -> None:
        for request_id, event in self.engine.tick():
            self.events[request_id].append(event)

    def run(self) -> None:
        while self.engine.busy:
            self.tick()

    def ask(self, *prompts: list[int] | ChatPrompt) -> list[list[int]]:
        """Answer prompts that come together."""
        tickets = [self.submit(prompt) for prompt in prompts]
        self.run()
        return [self.tokens(ticket) for ticket in tickets]

    def tokens(self, ticket: Ticket) -> list[int]:
        return [token for event in self.events[ticket.id] if isinstance(event, Text) for token in event.token_ids]

    def usage(self, ticket: Ticket) -> Usage:
        last = self.events[ticket.id][-1]
        assert isinstance(last, Finished | Failed)
        return last.usage


def words(seed: int, count: int) -> list[int]:
    chosen = random.Random(seed)
    return [chosen.randrange(3, tiny.VOCABULARY) for _ in range(count)]


@pytest.mark.parametrize("name", tiny.CONFIGS)
def test_a_crowd_answers_as_each_alone_without_a_cache(name: str) -> None:
    prompts = [words(length, length) for length in LENGTHS]
    prompts += [prompts[-1][:400] + words(1, 20), prompts[3] + words(2, 60)]
    plain = Bench(name, cached=False)
    expected = [plain.ask(prompt)[0] for prompt in prompts]
    bench = Bench(name)
    assert bench.ask(*prompts) == expected
    tickets = [bench.submit(prompt) for prompt in prompts]
    bench.run()
    assert [bench.tokens(ticket) for ticket in tickets] == expected
    for ticket, prompt in zip(tickets, prompts, strict=True):
        assert bench.usage(ticket).cached_hot_tokens == len(prompt) - 1
    assert bench.store.stats().off == ""


@pytest.mark.parametrize("name", ["llama", "gemma3_text", "qwen3_next", "mamba2"])
def test_a_turn_begins_where_the_last_answer_ended(name: str) -> None:
    bench, plain, talk = Bench(name), Bench(name, cached=False), words(7, 300)
    for turn in range(4):
        ticket = bench.submit(talk)
        bench.run()
        answer = bench.tokens(ticket)
        assert answer == plain.ask(talk)[0]
        assert turn == 0 or bench.usage(ticket).cached_hot_tokens >= len(talk) - 20
        talk = [*talk, *answer, *words(turn, 20)]


@pytest.mark.parametrize("name", ["llama", "qwen3_next", "mamba2"])
def test_equal_prompts_at_once_are_computed_once(name: str) -> None:
    bench, prompt = Bench(name), words(8, 600)
    tickets = [bench.submit(prompt) for _ in range(3)]
    bench.run()
    computed = sorted(len(prompt) - bench.usage(ticket).cached_tokens for ticket in tickets)
    assert computed == [1, 1, 600]
    assert len({tuple(bench.tokens(ticket)) for ticket in tickets}) == 1


@pytest.mark.parametrize("name", ["llama", "gemma3_text", "qwen3_next"])
def test_a_cancelled_prompt_leaves_what_it_computed(name: str) -> None:
    bench, prompt = Bench(name), words(9, 1200)
    ticket = bench.submit(prompt)
    while not any(isinstance(event, Prefill) and event.done_tokens >= 256 for event in bench.events[ticket.id]):
        bench.tick()
    done = max(event.done_tokens for event in bench.events[ticket.id] if isinstance(event, Prefill))
    assert done < 1199
    assert bench.tickets.cancel(ticket.id) is None
    bench.run()
    assert isinstance(bench.events[ticket.id][-1], Failed)
    again = bench.submit(prompt)
    bench.run()
    assert bench.usage(again).cached_hot_tokens == done
    assert bench.tokens(again) == Bench(name, cached=False).ask(prompt)[0]


@pytest.mark.parametrize("name", ["llama", "qwen3_next"])
def test_warming_keeps_the_whole_prompt_and_answers_nothing(name: str) -> None:
    bench, prompt = Bench(name), words(10, 300)
    ticket = bench.submit(prompt, CachePolicy(warm=True))
    bench.run()
    end = bench.events[ticket.id][-1]
    assert isinstance(end, Finished)
    assert len(end.blocks) == 2
    assert (bench.tokens(ticket), end.usage.completion_tokens) == ([], 0)
    longer = bench.submit([*prompt, *words(11, 10)])
    bench.run()
    assert bench.usage(longer).cached_hot_tokens == 300


@pytest.mark.parametrize("name", ["llama", "gemma3_text", "gpt_oss", "qwen3_next", "mamba2", "recurrent_gemma"])
def test_the_second_chat_with_a_system_text_begins_after_it(name: str) -> None:
    bench, system = Bench(name), Message(role="system", content="A cook at sea. " * 30)
    chats = [
        ChatPrompt(messages=(system, Message(role="user", content=text))) for text in ("Dinner?", "And what to drink?")
    ]
    expected = [Bench(name, cached=False).ask(chat)[0] for chat in chats]
    assert bench.ask(chats[0]) == expected[:1]
    ticket = bench.submit(chats[1])
    bench.run()
    assert bench.tokens(ticket) == expected[1]
    assert bench.usage(ticket).cached_hot_tokens == 1 + len(system.content) + 1


def test_a_failing_cache_harms_no_request(monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture) -> None:
    bench, prompt = Bench("llama"), words(12, 300)
    expected = Bench("llama", cached=False).ask(prompt)

    def fail(*arguments: object, **more: object) -> None:
        raise RuntimeError("broken")

    for broken in ("match", "loading", "recorder"):
        with monkeypatch.context() as patch:
            patch.setattr(bench.store, broken, fail)
            assert bench.ask(prompt) == expected
    assert "broken" in caplog.text
    assert bench.ask(prompt) == expected


@pytest.mark.parametrize("length", [4095, 4096, 4097])
def test_a_checkpoint_between_prompt_and_answer_keeps_the_cache_on(length: int) -> None:
    bench, prompt = Bench("gpt_oss"), words(13, length)
    bench.ask(prompt)
    assert bench.store.stats().off == ""
    again = bench.submit(prompt)
    bench.run()
    assert bench.usage(again).cached_hot_tokens == length - 1


def test_a_model_whose_cache_is_not_known_runs_without_one_and_says_so(caplog: pytest.LogCaptureFixture) -> None:
    class Unknown:
        """A cache class that mlx-lm may get some day."""

    class Odd:
        def make_cache(self) -> list[Unknown]:
            return [Unknown()]

    opened = open_codec(Odd(), 16)
    assert (opened.codec, opened.problem) == (None, "cache class Unknown is not known")
    accountant = Accountant(lambda note: None)
    start = CacheStart(enabled=True, hot_max_bytes=1 << 30)
    found = open_cache(start, "odd", opened.codec, "", opened.problem, accountant, wake=lambda: None)
    assert caplog.text.count("prefixes of odd are not cached: cache class Unknown is not known") == 1
    bench = Bench("llama", cached=False)
    bench.engine = Engine(
        BatchRunner(model_of("llama")), bench.tickets, 8, 0.3, time.monotonic, Prefixes(found.store, "odd")
    )
    assert bench.ask(words(1, 30)) == Bench("llama", cached=False).ask(words(1, 30))
    figures = bench.engine.report().cache
    assert figures is not None
    assert (figures.enabled, figures.why_off) == (False, "cache class Unknown is not known")
    assert figures.recomputed_tokens == 30
