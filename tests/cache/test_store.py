"""The store with tiers in memory: what is found, what is shared, what is counted."""

from __future__ import annotations

import threading
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from omlx_daemon.coldstore.names import Part
from omlx_daemon.worker.cache.cold import ColdTier
from omlx_daemon.worker.cache.hashing import Image
from omlx_daemon.worker.cache.hot import HotTier
from omlx_daemon.worker.cache.lease import LeaseOptions, LeaseState
from omlx_daemon.worker.cache.null import NullTier
from omlx_daemon.worker.cache.payload import Needs
from omlx_daemon.worker.cache.plan import Stop
from omlx_daemon.worker.cache.store import Store
from omlx_daemon.worker.cache.tier import Tier
from tests.cache.fakes import FakeCodec, FakeLedger, await_ready, check, peek, prefill, restore, serve

ROWS = Needs(tokens=True)
WINDOW = Needs(tokens=True, windows=(300,))
NARROW = Needs(tokens=True, windows=(100,))
WINDOWS = Needs(tokens=True, windows=(700, 128))
HYBRID = Needs(tokens=True, state=True)
STATE = Needs(tokens=False, state=True)
MIXED = Needs(tokens=False, windows=(300,), state=True)
EVERY = [ROWS, WINDOW, NARROW, WINDOWS, HYBRID, STATE, MIXED]
PLENTY = 1 << 30


def story(seed: int, length: int) -> list[int]:
    return [(n * 2654435761 + seed * 97) % 50000 for n in range(length)]


def hot_store(needs: Needs = ROWS, capacity_bytes: int = PLENTY) -> Store:
    return Store(FakeCodec(needs), [HotTier(capacity_bytes)], "model")


@pytest.mark.parametrize("needs", EVERY, ids=str)
@pytest.mark.parametrize("length", [2, 100, 255, 256, 257, 511, 512, 513, 700, 1025])
def test_an_exact_repeat_computes_one_token(needs: Needs, length: int) -> None:
    store, prompt = hot_store(needs), story(1, length)
    assert serve(store, prompt, needs).tokens == 0
    again = serve(store, prompt, needs)
    assert (again.tokens, again.stop) == (length - 1, Stop.COMPLETE)


@pytest.mark.parametrize("needs", EVERY, ids=str)
@pytest.mark.parametrize("chunk", [64, 256, 1000])
def test_every_turn_of_a_conversation_computes_only_what_is_new(needs: Needs, chunk: int) -> None:
    store, talk = hot_store(needs), story(2, 300)
    serve(store, talk, needs, chunk=chunk)
    for turn in range(8):
        answer, question = story(10 + turn, 80), story(50 + turn, 37)
        reused = serve(store, talk, needs, answer=answer, chunk=chunk).tokens
        assert reused >= len(talk) - 38
        talk = talk + answer + question


@pytest.mark.parametrize("needs", EVERY, ids=str)
def test_a_third_conversation_starts_where_the_second_left_the_first(needs: Needs) -> None:
    store, system = hot_store(needs), story(3, 700)
    serve(store, system + story(31, 200), needs)
    serve(store, system + story(32, 200), needs)
    third = serve(store, system + story(33, 200), needs)
    assert third.tokens == 700


@pytest.mark.parametrize("needs", EVERY, ids=str)
def test_a_boundary_that_the_caller_names_serves_the_second_conversation_already(needs: Needs) -> None:
    store, system = hot_store(needs), story(4, 700)
    first = system + story(41, 200)
    serve(store, first, needs, lease=store.match(first, options=LeaseOptions(boundaries=(700,))))
    assert serve(store, system + story(42, 200), needs).tokens == 700


@pytest.mark.parametrize("needs", EVERY, ids=str)
def test_an_aborted_prefill_keeps_what_was_computed(needs: Needs) -> None:
    store, prompt = hot_store(needs), story(5, 3000)
    lease = store.match(prompt)
    restore(lease, threading.Event())
    done = prefill(lease, prompt, 0, 300, upto=1234)
    lease.finish(prompt[:done], done)
    assert serve(store, prompt, needs).tokens == 1234


def test_an_aborted_prefill_without_its_cache_keeps_its_full_blocks() -> None:
    store, prompt = hot_store(), story(5, 3000)
    lease = store.match(prompt)
    restore(lease, threading.Event())
    prefill(lease, prompt, 0, 300, upto=1200)
    lease.release()
    assert serve(store, prompt, ROWS).tokens == 1024


def test_a_position_beyond_the_known_tokens_is_an_error() -> None:
    store, prompt = hot_store(), story(5, 300)
    lease = store.match(prompt)
    restore(lease, threading.Event())
    with pytest.raises(ValueError, match="more than the 300"):
        lease.finish([*prompt, 1], 301)


def test_salts_and_images_and_fingerprints_do_not_share() -> None:
    store, prompt = hot_store(), story(6, 600)
    serve(store, prompt, ROWS)
    assert peek(store, prompt, salt="tenant").position == 0
    assert peek(store, prompt, images=[Image(300, b"cat")]).position == 256
    assert peek(store, prompt, images=[Image(0, b"cat")]).position == 0


def test_a_prompt_with_images_repeats_exactly_and_diverges_at_an_image() -> None:
    store, prompt = hot_store(), story(6, 600)
    cat, dog = [Image(300, b"cat")], [Image(300, b"dog")]
    serve(store, prompt, ROWS, lease=store.match(prompt, images=cat))
    assert peek(store, prompt, images=cat).position == 599
    assert peek(store, prompt, images=dog).position == 256


def test_no_store_leaves_nothing_behind() -> None:
    store, prompt = hot_store(), story(7, 600)
    serve(store, prompt, ROWS, lease=store.match(prompt, options=LeaseOptions(store=False)))
    assert serve(store, prompt, ROWS).tokens == 0


def test_the_reason_for_a_miss_is_told() -> None:
    store, prompt = hot_store(capacity_bytes=300 * 4 * 3), story(8, 700)
    assert peek(store, prompt).stop is Stop.NO_ENTRY
    serve(store, prompt, ROWS)
    assert peek(store, prompt[:600] + story(9, 50)).stop is Stop.DIVERGED
    assert peek(store, prompt + story(9, 50)).stop is Stop.END
    store.resize_hot(257 * 4)
    assert peek(store, prompt).stop is Stop.EVICTED


@given(
    st.lists(st.tuples(st.integers(0, 2), st.integers(0, 900), st.integers(1, 400)), min_size=1, max_size=6),
    st.tuples(st.integers(0, 2), st.integers(0, 900), st.integers(1, 400)),
)
@settings(max_examples=60, deadline=None)
def test_rows_reach_as_far_as_any_stored_sequence_agrees(
    stored: list[tuple[int, int, int]], asked: tuple[int, int, int]
) -> None:
    """The longest match against a brute-force model, to the token."""
    store = hot_store()
    sequences = [story(0, start) + story(seed + 1, length) for seed, start, length in stored]
    for sequence in sequences:
        serve(store, sequence, ROWS, chunk=512)
    seed, start, length = asked
    prompt = story(0, start) + story(seed + 1, length)
    longest = max(_common(sequence, prompt) for sequence in sequences)
    lease = store.match(prompt)
    assert lease.plan.position == min(longest, len(prompt) - 1)
    check(restore(lease, threading.Event()), prompt, ROWS)


def _common(one: list[int], other: list[int]) -> int:
    pairs = enumerate(zip(one, other, strict=False))
    return next((n for n, (a, b) in pairs if a != b), min(len(one), len(other)))


@pytest.mark.parametrize("needs", EVERY, ids=str)
def test_a_second_request_waits_for_the_blocks_that_the_first_computes(needs: Needs) -> None:
    store, prompt = hot_store(needs), story(11, 2000)
    first = store.match(prompt)
    restore(first, threading.Event())
    second = store.match(prompt)
    assert second.state is LeaseState.WAITING
    position = prefill(first, prompt, 0, 256, upto=512)
    assert second.poll() is LeaseState.WAITING
    prefill(first, prompt, position, 256)
    await_ready(second, threading.Event())
    restored = second.restore()
    check(restored, prompt, needs)
    assert restored.tokens == 1999


@pytest.mark.parametrize("needs", EVERY, ids=str)
def test_a_second_request_waits_only_for_the_part_that_is_shared(needs: Needs) -> None:
    store, system = hot_store(needs), story(12, 1024)
    prompt, other = system + story(121, 600), system + story(122, 600)
    first = store.match(prompt)
    restore(first, threading.Event())
    second = store.match(other)
    assert second.state is LeaseState.WAITING
    prefill(first, prompt, 0, 256, upto=1024)
    await_ready(second, threading.Event())
    assert second.restore().tokens == 1024


def test_a_waiting_request_goes_on_when_the_first_is_gone_or_takes_too_long() -> None:
    store, prompt = hot_store(), story(13, 2000)
    first = store.match(prompt)
    second, third = store.match(prompt), store.match(prompt)
    restore(first, threading.Event())
    prefill(first, prompt, 0, 256, upto=512)
    third.proceed()
    assert restore(third, threading.Event()).tokens == 512
    first.release()
    assert restore(second, threading.Event()).tokens == 512
    for lease in (second, third):
        lease.release()


def test_the_gate_reads_only_where_that_beats_computing(tmp_path: Path) -> None:
    wake = threading.Event()
    store = Store(FakeCodec(), [NullTier(), ColdTier(tmp_path, FakeLedger())], "model", wake=wake.set)
    prompt = story(14, 600)
    serve(store, prompt, ROWS, wake=wake)
    assert store.flush(30).parts == 0
    store._gate.observe_read(1 << 20, 1000.0)
    store.observe_prefill(1_000_000, 1.0)
    refused = peek(store, prompt)
    assert (refused.position, refused.stop) == (0, Stop.GATE)
    store.observe_prefill(1, 1000.0)
    assert peek(store, prompt).position == 599
    store.close(5)


def test_figures_are_counted_by_token() -> None:
    store, prompt = hot_store(), story(15, 600)
    store.observe_prefill(100, 1.0)
    serve(store, prompt, ROWS)
    serve(store, prompt, ROWS)
    stats = store.stats()
    assert (stats.requests, stats.requested_tokens, stats.recomputed_tokens) == (2, 1200, 601)
    assert stats.reused_tokens == {"hot": 599}
    assert stats.hit_rate == 599 / 1200
    assert 5.0 < stats.saved_s <= 5.99
    assert stats.stops == {"no entry": 1, "complete": 1}
    (hot,) = stats.tiers
    assert hot.size_bytes == 600 * 4
    assert hot.parts == 3


def test_a_pinned_prefix_outlives_everything_else() -> None:
    store, system = hot_store(capacity_bytes=4 * 2048), story(16, 1000)
    store.pin("system", system)
    serve(store, system, ROWS)
    for seed in range(20):
        serve(store, story(100 + seed, 1500), ROWS)
    assert peek(store, [*system, 1]).position == 1000
    assert store.unpin("system")
    assert not store.unpin("system")
    for seed in range(3):
        serve(store, story(200 + seed, 2000), ROWS)
    assert peek(store, [*system, 1]).position == 0


def test_memory_is_given_back_when_asked_for_tails_before_heads() -> None:
    store, prompt = hot_store(), story(17, 2048)
    serve(store, prompt, ROWS)
    assert store.evict_hot(1024) == 1024
    assert peek(store, prompt).position == 1792
    store.resize_hot(3 * 1024)
    assert peek(store, prompt).position == 768
    store.resize_hot(0)
    assert store.stats().tiers[0].size_bytes == 0
    serve(store, prompt, ROWS)
    assert peek(store, prompt).position == 0


def test_a_tail_gives_way_to_what_begins_with_it() -> None:
    store, talk = hot_store(), story(18, 300)
    for turn in range(6):
        serve(store, talk, ROWS)
        talk += story(180 + turn, 100)
    (hot,) = store.stats().tiers
    assert hot.size_bytes == 800 * 4


@pytest.mark.parametrize("needs", [HYBRID, STATE, MIXED], ids=str)
def test_a_conversation_keeps_the_state_of_its_last_turns_alone(needs: Needs) -> None:
    store, talk = hot_store(needs), story(22, 300)
    ends: list[int] = []
    for turn in range(8):
        answer = story(220 + turn, 80)
        assert serve(store, talk, needs, answer=answer).tokens == (ends[-1] if ends else 0)
        ends.append(len(talk) + 80)
        talk = talk + answer + story(230 + turn, 40)
    hot = store._shelf._tiers[0]
    states = [name for name in hot.names() if name.part is Part.STATE]
    assert len(states) <= 3 + 2
    for end in ends[-3:]:
        assert peek(store, talk[:end] + story(5, 50)).position == end


@pytest.mark.parametrize("needs", [HYBRID, STATE, MIXED], ids=str)
def test_a_state_that_two_conversations_went_on_from_stays(needs: Needs) -> None:
    store, trunk = hot_store(needs), story(23, 300)
    serve(store, trunk, needs)
    for branch in range(2):
        talk = trunk + story(240 + branch, 50)
        for turn in range(6):
            serve(store, talk, needs)
            talk = talk + story(250 + 10 * branch + turn, 60)
    assert peek(store, trunk + story(5, 50)).position == 300


def test_invalidate_forgets_all() -> None:
    store, prompt = hot_store(), story(19, 600)
    serve(store, prompt, ROWS)
    store.invalidate()
    assert serve(store, prompt, ROWS).tokens == 0


def test_arrays_that_change_shape_turn_the_cache_off_and_fail_nothing() -> None:
    codec = FakeCodec()
    store = Store(codec, [HotTier(PLENTY)], "model")
    codec.fail = True
    serve(store, story(20, 600), ROWS)
    assert "rows up to" in store.stats().off
    codec.fail = False
    assert serve(store, story(20, 600), ROWS).stop is Stop.OFF


@pytest.mark.parametrize("tiers", [[], [NullTier()]], ids=["none", "null"])
def test_without_a_tier_everything_is_computed(tiers: list[Tier]) -> None:
    store = Store(FakeCodec(), tiers, "model")
    assert [serve(store, story(21, 600), ROWS).tokens for _ in range(2)] == [0, 0]
    assert Store(None, tiers, "model", off="no cache").stats().off == "no cache"
