"""What every tier that holds anything must do, and what each does alone."""

from __future__ import annotations

import queue
import threading
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import cast

import pytest

from omlx_daemon.coldstore.names import BlockName, Part
from omlx_daemon.worker.cache.cold import ColdTier
from omlx_daemon.worker.cache.hot import HotTier
from omlx_daemon.worker.cache.null import NullTier
from omlx_daemon.worker.cache.payload import Block
from omlx_daemon.worker.cache.tier import Answer, Failure, Loaded, Outcome, Tier
from tests.cache.fakes import FakeBuffer, FakeLedger, FakePayload
from tests.waiting import wait_until

Make = Callable[[], Tier]


def block(number: int, part: Part = Part.TOKENS, rows: int = 0, size_bytes: int = 100) -> Block:
    digest = number.to_bytes(32, "big")
    return Block(BlockName(digest, bytes(32), 256, part, rows), FakePayload(bytes([number]) * size_bytes), b"\1" * 1024)


@pytest.fixture(params=["hot", "queued", "written"])
def tier(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Tier]:
    if request.param == "hot":
        yield HotTier(1 << 20)
        return
    ledger = BlockedLedger() if request.param == "queued" else FakeLedger()
    cold = ColdTier(tmp_path, ledger)
    yield cast(Tier, Flushed(cold)) if request.param == "written" else cold
    if isinstance(ledger, BlockedLedger):
        ledger.gate.set()
    cold.close(5)


class BlockedLedger(FakeLedger):
    """Grants nothing until its gate is opened."""

    def __init__(self) -> None:
        super().__init__()
        self.gate = threading.Event()
        self.asked = False

    def reserve(self, size_bytes: int, parent: bytes = b"") -> int:
        self.asked = True
        self.gate.wait(30)
        return super().reserve(size_bytes)


class Flushed:
    """A cold tier that has written everything before it answers."""

    def __init__(self, cold: ColdTier) -> None:
        self._cold = cold

    def __getattr__(self, name: str) -> object:
        self._cold.flush(30)
        return getattr(self._cold, name)


def fetch(tier: Tier, name: BlockName) -> bytes | Failure:
    """Return a part's bytes, however the tier gives them."""
    payload = tier.acquire(name)
    if payload is not None:
        tier.release(name)
        return bytes(payload.tensors()[0].data)
    outcomes: queue.Queue[Outcome] = queue.Queue()
    tier.load(name, FakeBuffer(memoryview(bytearray(4096))), outcomes.put)
    outcome = outcomes.get(timeout=30)
    if isinstance(outcome, Loaded):
        assert isinstance(outcome.buffer, FakeBuffer)
        return bytes(outcome.buffer.view[: outcome.header.payload_bytes])
    return outcome


def test_what_was_stored_is_found_and_given_back_unchanged(tier: Tier) -> None:
    assert tier.lookup(block(1).name.hash, Part.TOKENS) is None
    assert tier.store(block(1), 1) is Answer.KEPT
    held = tier.lookup(block(1).name.hash, Part.TOKENS)
    assert held is not None
    assert held.name == block(1).name
    assert fetch(tier, held.name) == b"\1" * 100
    assert tier.lookup(block(1).name.hash, Part.STATE) is None


def test_the_parts_of_a_block_are_apart(tier: Tier) -> None:
    for number, part in enumerate(Part):
        tier.store(Block(block(1, part).name, FakePayload(bytes([number]) * 10), None), 1)
    for number, part in enumerate(Part):
        held = tier.lookup(block(1).name.hash, part)
        assert held is not None
        assert fetch(tier, held.name) == bytes([number]) * 10


def test_more_rows_of_a_window_replace_fewer_and_fewer_do_not_replace_more(tier: Tier) -> None:
    for rows in (100, 200, 50):
        tier.store(block(1, Part.WINDOW, rows, size_bytes=rows), 1)
    held = tier.lookup(block(1).name.hash, Part.WINDOW)
    assert held is not None
    assert held.name.rows == 200
    assert fetch(tier, held.name) == b"\1" * 200


def test_a_rejected_or_cleared_part_is_gone(tier: Tier) -> None:
    for number in (3, 1, 2):
        tier.store(block(number), 1)
    tier.flush(0.01)
    tier.reject(block(1).name, "not what it should be")
    assert tier.lookup(block(1).name.hash, Part.TOKENS) is None
    assert tier.lookup(block(2).name.hash, Part.TOKENS) is not None
    tier.clear()
    assert tier.lookup(block(2).name.hash, Part.TOKENS) is None


def test_token_ids_are_found_out(tier: Tier) -> None:
    tier.store(block(1), 1)
    tier.flush(0.01)
    found: queue.Queue[dict[bytes, bytes]] = queue.Queue()
    names = [*tier.names()]
    tier.probe([*names, block(9).name], found.put)
    assert found.get(timeout=30) == ({block(1).name.hash: b"\1" * 1024} if names else {})


def test_null_holds_nothing() -> None:
    null = NullTier()
    assert null.store(block(1), 1) is Answer.REFUSED
    assert null.lookup(block(1).name.hash, Part.TOKENS) is None
    assert fetch(null, block(1).name) is Failure.MISSING


def test_hot_evicts_what_was_used_longest_ago() -> None:
    hot = HotTier(300)
    for number in (1, 2, 3):
        hot.store(block(number), number)
    hot.touch([block(1).name], 4)
    hot.store(block(4), 5)
    assert {name.hash[-1] for name in hot.names()} == {1, 3, 4}
    assert hot.stats().evictions == 1


def test_what_hot_evicts_is_spilled_where_it_has_a_file(tmp_path: Path) -> None:
    cold = ColdTier(tmp_path, FakeLedger(), readers=1)
    hot = HotTier(300, cold.has_file)
    cold.store(block(1), 1)
    assert not cold.flush(30).parts
    for number in (1, 2, 3):
        hot.store(block(number), number)
    hot.resize(0)
    stats = hot.stats()
    assert (stats.evictions, stats.evicted_bytes, stats.spilled, stats.spilled_bytes) == (3, 300, 1, 100)
    cold.close(30)


def test_hot_never_evicts_what_is_leased_pinned_or_of_the_same_use() -> None:
    hot = HotTier(300)
    for number in (1, 2, 3):
        hot.store(block(number), number)
    hot.acquire(block(1).name)
    hot.pin(frozenset([block(2).name.hash]))
    assert hot.store(block(4), 3) is Answer.REFUSED
    assert hot.store(block(4), 4) is Answer.KEPT
    assert {name.hash[-1] for name in hot.names()} == {1, 2, 4}
    hot.resize(0)
    assert {name.hash[-1] for name in hot.names()} == {1, 2}
    hot.release(block(1).name)
    hot.pin(frozenset())
    assert [*hot.names()] == []


def test_hot_takes_from_a_slower_tier_only_at_the_cost_of_what_is_older() -> None:
    hot = HotTier(200)
    hot.store(block(1), 1)
    hot.store(block(2), 5)
    assert not hot.promote(block(3, size_bytes=200), since=5, now=6)
    assert {name.hash[-1] for name in hot.names()} == {1, 2}
    assert hot.promote(block(3), since=5, now=6)
    assert {name.hash[-1] for name in hot.names()} == {2, 3}


class Late(FakePayload):
    """Rows that are still being copied."""

    @property
    def is_ready(self) -> bool:
        return False


def test_what_is_not_copied_yet_is_passed_over_and_can_be_withdrawn(tmp_path: Path) -> None:
    cold, ready = ColdTier(tmp_path, FakeLedger()), block(2)
    late = replace(block(1), payload=Late(b"rows"))
    assert cold.store(late, 1) is cold.store(ready, 1) is Answer.KEPT
    wait_until(lambda: cold.stats().stored == 1)
    assert cold.acquire(late.name) is late.payload
    cold.supersede([late.name])
    assert cold.close(30).parts == 0
    again = ColdTier(tmp_path, FakeLedger())
    assert list(again.names()) == [ready.name]
    again.close(5)


def test_what_is_pinned_is_written_although_something_longer_begins_with_it(tmp_path: Path) -> None:
    ledger, pinned, other = BlockedLedger(), block(1), block(2)
    cold = ColdTier(tmp_path, ledger)
    cold.store(block(3), 1)
    cold.pin(frozenset([pinned.name.hash]))
    for one in (pinned, other):
        cold.store(one, 1)
    wait_until(lambda: ledger.asked)
    cold.supersede([pinned.name, other.name])
    ledger.gate.set()
    assert cold.close(30).parts == 0
    again = ColdTier(tmp_path, FakeLedger())
    assert {name.hash for name in again.names()} == {block(3).name.hash, pinned.name.hash}
    again.close(5)
