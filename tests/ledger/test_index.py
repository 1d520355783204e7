from __future__ import annotations

import random

from omlx_daemon.coldstore.names import BlockName, Part
from omlx_daemon.coldstore.scan import FoundFile
from omlx_daemon.ledger.index import HANDICAP_NS, Index
from tests.ledger.bench import ROOT_HASH, block


def _file(name: BlockName, time_ns: int = 0) -> FoundFile:
    return FoundFile(name.filename, 1000, 4096, time_ns)


def _chain(seed: str, length: int) -> list[BlockName]:
    names: list[BlockName] = []
    for depth in range(length):
        names.append(block(f"{seed}/{depth}", names[-1].hash if names else ROOT_HASH))
    return names


def _drain(index: Index) -> list[str]:
    order = []
    while record := index.pop():
        order.append(record.filename)
    return order


def test_a_chain_of_one_age_goes_from_its_tail() -> None:
    chain = _chain("a", 5)
    index = Index()
    index.fill([_file(name, 7) for name in chain], 10)
    assert _drain(index) == [name.filename for name in reversed(chain)]
    assert (index.size_bytes, index.disk_bytes, len(index)) == (0, 0, 0)


def test_a_head_that_was_written_first_still_goes_last() -> None:
    chain = _chain("a", 5)
    index = Index()
    index.fill([_file(name, depth) for depth, name in enumerate(chain)], 10)
    assert _drain(index) == [name.filename for name in reversed(chain)]


def test_the_least_recent_chain_goes_first_and_a_shared_head_stays() -> None:
    head = _chain("head", 2)
    old, new = block("old", head[-1].hash), block("new", head[-1].hash)
    index = Index()
    index.fill([_file(name, 1) for name in (*head, old, new)], 10)
    index.touch([name.filename for name in (*head, new)], 20)
    assert _drain(index) == [name.filename for name in (old, new, head[1], head[0])]


def test_at_one_age_checkpoints_go_before_tails_and_tails_before_blocks() -> None:
    parent = block("p")
    full, tail = block("full", parent.hash), block("tail", parent.hash, tokens=100)
    inside, last = block("p", part=Part.STATE), BlockName(full.hash, parent.hash, 256, Part.WINDOW, 128)
    index = Index()
    index.fill([_file(name, 5) for name in (parent, full, tail, inside, last)], 10)
    assert _drain(index) == [name.filename for name in (inside, last, tail, full, parent)]


def test_a_checkpoint_inside_a_chain_counts_older_until_it_is_the_end_again() -> None:
    head, child, other = block("head"), block("child", block("head").hash), block("other")
    checkpoint = block("head", part=Part.STATE)
    now_ns = 10 * HANDICAP_NS
    index = Index()
    for name in (head, checkpoint):
        index.add(_file(name), now_ns)
    index.add(_file(other), now_ns - HANDICAP_NS // 2)
    assert index.peek() == (now_ns - HANDICAP_NS // 2, 2)
    index.add(_file(child), now_ns)
    assert index.peek() == (now_ns - HANDICAP_NS, 0)
    index.drop(child.filename)
    assert index.peek() == (now_ns - HANDICAP_NS // 2, 2)


def test_a_checkpoint_goes_before_the_rows_of_its_block_whatever_its_age() -> None:
    """The files of a restart: each is as old as its writing, and checkpoints are written last."""
    chain = _chain("a", 4)
    state = BlockName(chain[-1].hash, chain[-1].parent, 256, Part.STATE)
    index = Index()
    index.fill([_file(name, depth) for depth, name in enumerate((*chain, state))], 10)
    assert _drain(index) == [name.filename for name in (state, *reversed(chain))]


def test_a_checkpoint_without_its_rows_goes_before_everything() -> None:
    old, chain = block("old"), _chain("a", 3)
    window = BlockName(chain[-1].hash, chain[-1].parent, 256, Part.WINDOW, 128)
    index = Index()
    index.fill([_file(old, 1), *[_file(name, 100) for name in (*chain, window)]], 200)
    index.drop(chain[-1].filename)
    assert index.peek() == (0, 0)
    index.add(_file(chain[-1]), 100)
    assert _drain(index) == [name.filename for name in (old, window, *reversed(chain))]
    orphans = Index()
    orphans.fill([_file(old, 1), _file(window, 100)], 200)
    assert _drain(orphans) == [window.filename, old.filename]


def test_a_model_without_rows_has_checkpoints_alone_and_they_go_by_age() -> None:
    states = [block(str(age), part=Part.STATE) for age in range(5)]
    index = Index()
    index.fill([_file(name, 5 - age) for age, name in enumerate(states)], 10)
    assert _drain(index) == [name.filename for name in reversed(states)]


def test_a_pinned_block_keeps_what_comes_before_it() -> None:
    chain = _chain("a", 4)
    index = Index()
    index.fill([_file(name) for name in chain], 10)
    index.pin(frozenset([chain[1].hash[:8].hex()]))
    assert _drain(index) == [chain[3].filename, chain[2].filename]
    index.pin(frozenset())
    assert _drain(index) == [chain[1].filename, chain[0].filename]


def test_a_held_block_stays_while_it_is_held() -> None:
    chain = _chain("a", 3)
    index = Index()
    index.fill([_file(name) for name in chain], 10)
    with index.held(chain[-1].hash[:8].hex()):
        assert index.pop() is None
    assert len(_drain(index)) == 3


def test_a_time_from_the_future_counts_as_now() -> None:
    now, later = block("now"), block("later")
    index = Index()
    index.fill([_file(later, 1 << 62), _file(now, 5)], 10)
    index.touch([now.filename], 11)
    assert _drain(index) == [later.filename, now.filename]


def test_what_was_dropped_can_be_taken_back() -> None:
    chain = _chain("a", 3)
    index = Index()
    index.fill([_file(name, depth) for depth, name in enumerate(chain)], 10)
    record = index.drop(chain[1].filename)
    assert record is not None
    index.restore(record)
    assert _drain(index) == [name.filename for name in reversed(chain)]


def test_no_block_goes_before_those_that_continue_it_whatever_happens() -> None:
    chance = random.Random(1)
    index, names = Index(), [ROOT_HASH]
    alive: dict[str, BlockName] = {}
    for step in range(5_000):
        choice = chance.random()
        if choice < 0.5:
            part = chance.choice([Part.TOKENS, Part.TOKENS, Part.STATE])
            name = block(str(step), chance.choice(names[-50:]), part)
            twin = alive.get(chance.choice(sorted(alive))) if alive and part is Part.STATE else None
            if twin is not None and twin.part is Part.TOKENS:
                name = BlockName(twin.hash, twin.parent, twin.tokens, part)
            names.append(name.hash)
            alive[name.filename] = name
            index.add(_file(name), step)
        elif choice < 0.7 and alive:
            index.touch(chance.sample(sorted(alive), min(3, len(alive))), step)
        elif record := index.pop():
            gone = alive.pop(record.filename)
            continued = {name.parent[:8] for name in alive.values()}
            restorable = {name.hash for name in alive.values() if name.part is Part.STATE}
            assert gone.part is not Part.TOKENS or gone.hash[:8] not in continued
            assert gone.part is not Part.TOKENS or gone.hash not in restorable
    assert len(index) == len(alive) == len(_drain(index))


def test_the_queue_does_not_outgrow_the_files() -> None:
    index = Index()
    for step in range(20_000):
        name = block(str(step % 10))
        index.add(_file(name), step)
    assert len(index) == 10
    assert len(index._queue) < 3000
