"""Which rows share a batch, and that it makes no difference to what they say."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from functools import cache
from itertools import chain, combinations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from omlx_daemon.worker.backend.lanes.cost import Padded, StepCost
from omlx_daemon.worker.backend.lanes.partition import partition
from omlx_daemon.worker.backend.runner import BatchRunner
from omlx_daemon.worker.engine.kvshape import KvShape, Layers, summed
from omlx_daemon.worker.engine.plan import SamplingPlan
from omlx_daemon.worker.engine.ports import Row
from tests.cache.tiny import CONFIGS, VOCABULARY, make

TOGETHER, APART = 1e15, 1e-6


def cost_of(groups: Sequence[Sequence[int]], sizes: Sequence[int], batch_bytes: float) -> float:
    return sum(batch_bytes + len(rows) * max(sizes[row] for row in rows) for rows in groups)


def every_cut(count: int) -> Iterator[list[int]]:
    return map(list, chain.from_iterable(combinations(range(1, count), cuts) for cuts in range(count)))


@given(sizes=st.lists(st.integers(1, 60), min_size=1, max_size=8), batch_bytes=st.integers(0, 120))
def test_padding_and_batches_cost_the_least_there_is(sizes: list[int], batch_bytes: int) -> None:
    found = partition(sizes, batch_bytes)
    assert sorted(chain.from_iterable(found)) == list(range(len(sizes)))
    ordered = sorted(range(len(sizes)), key=lambda row: sizes[row])
    ends = (([0, *cuts], [*cuts, len(sizes)]) for cuts in every_cut(len(sizes)))
    least = min(
        cost_of([ordered[start:end] for start, end in zip(*pair, strict=True)], sizes, batch_bytes) for pair in ends
    )
    assert cost_of(found, sizes, batch_bytes) == least


@given(sizes=st.lists(st.integers(1, 1 << 40), max_size=300), batch_bytes=st.floats(0, 1e12))
def test_each_row_has_one_batch(sizes: list[int], batch_bytes: float) -> None:
    assert sorted(chain.from_iterable(partition(sizes, batch_bytes))) == list(range(len(sizes)))


def test_a_step_costs_what_was_measured() -> None:
    cost = StepCost(weights_bytes=1000)
    assert cost.step_bytes == 1000, "until then a byte of KV is as dear as a byte of weights"
    for rows, row_bytes in [(1, 100), (8, 100), (8, 200), (2, 3000), (4, 50)] * 6:
        cost.note(Padded(rows, row_bytes), 0.5 + 0.01 * rows + 0.002 * rows * row_bytes)
    assert cost.step_bytes == pytest.approx(250, rel=0.1)
    assert cost.seconds([Padded(4, 1000), Padded(1, 10)]) == pytest.approx(0.5 + 0.04 + 8 + 0.5 + 0.01 + 0.02, rel=0.1)


def test_what_like_batches_took_says_nothing_of_the_ratio() -> None:
    cost = StepCost(weights_bytes=1000)
    for _ in range(50):
        cost.note(Padded(8, 100), 0.7)
    assert cost.step_bytes == pytest.approx(1000, rel=0.3)
    assert cost.seconds([Padded(8, 100)]) == pytest.approx(0.7, rel=0.05)


def test_a_window_and_a_state_bound_what_a_row_takes() -> None:
    shape = summed([Layers(10), Layers(10), Layers(7, 64)], state_bytes=5)
    assert shape == KvShape((Layers(7, 64), Layers(20)), 5)
    assert [shape.bytes_at(tokens) for tokens in (0, 64, 100)] == [5, 5 + 64 * 27, 5 + 64 * 7 + 2000]
    assert shape.held_at(1) == shape.bytes_at(256)
    assert shape.tokens_within(shape.bytes_at(1024)) == 1024
    assert shape.tokens_within(shape.bytes_at(1024) - 1) == 768
    assert shape.tokens_within(1) == 0
    assert KvShape((Layers(7, 64),)).tokens_within(1000) == 1 << 40, "a window is never exceeded"


class Told(StepCost):
    """A price of one more batch that a test sets."""

    def __init__(self, batch_bytes: float) -> None:
        super().__init__(1)
        self.batch_bytes = batch_bytes

    def note(self, batch: Padded, seconds: float) -> None:
        pass

    def _prices(self) -> tuple[float, float, float]:
        return self.batch_bytes, 0.0, 1.0


GREEDY = SamplingPlan(temperature=0.0)
ROWS = (
    (9, GREEDY),
    (40, SamplingPlan(temperature=0.9, seed=5)),
    (41, SamplingPlan(temperature=0.0, repetition_penalty=1.3)),
    (150, GREEDY),
    (330, SamplingPlan(temperature=0.8, top_p=0.9, seed=11, presence_penalty=0.4)),
)
STEPS = 20


def prompt_of(number: int, length: int) -> list[int]:
    return [(number * 31 + place * 7) % VOCABULARY for place in range(length)]


class Answers:
    """Runs rows of one model on a runner and collects their tokens."""

    def __init__(self, family: str, cost: Told) -> None:
        self.cost = cost
        self.runner = BatchRunner(make(family), cost=cost)
        self.tokens: dict[int, list[int]] = {}

    def begin(self, number: int) -> None:
        length, plan = ROWS[number]
        prompt = prompt_of(number, length)
        rows = self.runner.start([Row(number, prompt, plan)])
        rows.advance([prompt[:-1]])
        rows.join(prompt[-1:])
        self.tokens[number] = []

    def step(self) -> None:
        for row in self.runner.step():
            assert not row.fault
            self.tokens[row.uid].append(row.token)
        self.runner.remove([uid for uid, tokens in self.tokens.items() if len(tokens) == STEPS])


@cache
def alone(family: str) -> dict[int, list[int]]:
    """Return what each row says when nobody shares its batch."""
    answers = Answers(family, Told(TOGETHER))
    for number in range(len(ROWS)):
        answers.begin(number)
        while len(answers.tokens[number]) < STEPS:
            answers.step()
    return answers.tokens


def keeps(price: float) -> Callable[[int], float]:
    return lambda step: price


def flips(step: int) -> float:
    return TOGETHER if step // 3 % 2 else APART


@pytest.mark.parametrize("family", [family for family in CONFIGS if family != "llama4"])
@pytest.mark.parametrize("price", [keeps(TOGETHER), keeps(APART), flips], ids=["one batch", "apart", "moving"])
def test_an_answer_is_the_same_in_every_company(family: str, price: Callable[[int], float]) -> None:
    answers = Answers(family, Told(TOGETHER))
    step, counts = 0, set()
    while not answers.tokens or any(len(tokens) < STEPS for tokens in answers.tokens.values()):
        answers.cost.batch_bytes = price(step)
        if step < len(ROWS):
            answers.begin(step)
        answers.runner.lanes.arrange()
        answers.step()
        counts.add(len(answers.runner.lanes))
        step += 1
    assert answers.tokens == alone(family)
    assert (max(counts) > 1) == (price(0) == APART)
    assert len(answers.runner.lanes) == 0


@pytest.mark.parametrize("family", ["llama", "gemma3_text", "qwen3_next"])
def test_a_row_that_was_suspended_goes_on_as_if_nothing_had_happened(family: str) -> None:
    answers = Answers(family, Told(TOGETHER))
    for number in range(len(ROWS)):
        answers.begin(number)
    for _ in range(7):
        answers.step()
    for number, (length, plan) in enumerate(ROWS):
        prompt = prompt_of(number, length) + answers.tokens[number]
        rows = answers.runner.start([Row(number, prompt, plan, answers.runner.suspend(number))])
        rows.advance([prompt[:-1]])
        rows.join(prompt[-1:])
        answers.step()
    while answers.runner.lanes.live_bytes:
        answers.step()
    assert answers.tokens == alone(family)


def test_what_is_held_follows_what_is_left() -> None:
    for family in ("llama", "gemma3_text"):
        answers = Answers(family, Told(TOGETHER))
        for number in (0, 3):
            answers.begin(number)
        answers.step()
        whole = answers.runner.memory()
        answers.runner.remove([3])
        answers.step()
        left = answers.runner.memory()
        assert left.kv_live_bytes < whole.kv_live_bytes / 2
        assert left.kv_bytes <= whole.kv_bytes / 2
        assert left.kv_bytes >= left.kv_live_bytes


def test_a_bound_on_memory_takes_padding_away() -> None:
    answers = Answers("llama", Told(TOGETHER))
    for number in range(len(ROWS)):
        answers.begin(number)
    answers.step()
    assert len(answers.runner.lanes) == 1
    shape = answers.runner.shape
    answers.runner.limit_kv(3 * shape.bytes_at(60) + 2 * shape.bytes_at(350))
    answers.runner.lanes.arrange()
    assert [sorted(lane.uids) for lane in answers.runner.lanes] == [[0, 1, 2], [3], [4]]


def test_an_unfinished_prompt_counts() -> None:
    answers = Answers("llama", Told(TOGETHER))
    rows = answers.runner.start([Row(7, [1] * 100, GREEDY)])
    rows.advance([[1] * 60])
    memory = answers.runner.memory()
    assert memory.kv_live_bytes == answers.runner.shape.bytes_at(60)
    assert memory.kv_bytes >= memory.kv_live_bytes
    del rows
    assert answers.runner.memory().kv_bytes == 0
