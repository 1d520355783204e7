from __future__ import annotations

import math
from pathlib import Path

import pytest

from omlx_daemon.coldstore.names import Part
from omlx_daemon.ledger.policy import Policy
from omlx_daemon.ledger.prune import Criteria
from tests.ledger.bench import MODELS, Bench, block, du_bytes, opened

DAY_S = 86_400.0


def test_age_takes_what_was_not_used_and_says_what_it_took(bench: Bench) -> None:
    old, used = bench.chain("a", "old", 3), bench.chain("a", "used", 3)
    other = bench.chain("b", "other", 2)
    bench.clock.go(8 * DAY_S)
    bench.touch("a", used)
    before = du_bytes(bench.root)
    criteria = Criteria(older_than_s=7 * DAY_S)
    dry = bench.ledger.prune(criteria, dry_run=True)
    assert du_bytes(bench.root) == before
    report = bench.ledger.prune(criteria)
    assert (dry.dry_run, report.dry_run) == (True, False)
    assert (report.files, report.size_bytes, report.models) == (dry.files, dry.size_bytes, dry.models)
    assert [(row.model, row.files) for row in report.models] == [("a", 3), ("b", 2)]
    assert not any(bench.there("a", old) + bench.there("b", other))
    assert all(bench.there("a", used))
    assert bench.ledger.stats().used_bytes == du_bytes(bench.root)


def test_age_leaves_the_head_of_a_chain_that_is_still_in_use(bench: Bench) -> None:
    chain = bench.chain("a", "x", 4)
    state = block("x/1", chain[0].hash, Part.STATE)
    bench.store("a", state)
    bench.clock.go(DAY_S)
    bench.touch("a", chain[2:3])
    report = bench.ledger.prune(Criteria(older_than_s=DAY_S / 2))
    assert bench.there("a", chain) == [True, True, True, False]
    assert not bench.there("a", [state])[0]
    assert report.files == 2


def test_age_leaves_the_rows_that_a_younger_checkpoint_needs(bench: Bench) -> None:
    chain = bench.chain("a", "x", 3)
    states = [block("x/2", chain[1].hash, Part.STATE), block("x/0", part=Part.STATE)]
    assert [bench.store("a", state) for state in states] == [True, True]
    bench.clock.go(DAY_S)
    bench.touch("a", states[:1])
    assert bench.ledger.prune(Criteria(older_than_s=DAY_S / 2)).files == 1
    assert bench.there("a", [*chain, *states]) == [True] * 4 + [False]
    bench.clock.go(DAY_S)
    assert bench.ledger.prune(Criteria(older_than_s=DAY_S / 2)).files == 4


def test_a_model_a_namespace_or_a_size_narrows_it(bench: Bench) -> None:
    small, large = bench.chain("a", "small", 2, 4000), bench.chain("a", "large", 2, 90_000)
    other = bench.chain("b", "other", 2, 90_000)
    assert bench.ledger.prune(Criteria(model="a", larger_than_bytes=50_000)).files == 2
    assert bench.there("a", small + large) == [True, True, False, False]
    assert bench.ledger.prune(Criteria(namespaces=frozenset([MODELS["c"]]))).files == 0
    assert bench.ledger.prune(Criteria(namespaces=frozenset([MODELS["b"]]))).files == 2
    assert not any(bench.there("b", other))


def test_incompatible_takes_old_fingerprints_and_other_formats_alone(bench: Bench) -> None:
    kept, in_use, stale = bench.chain("a", "x", 2), bench.chain("b", "y", 2), bench.chain("c", "z", 2)
    bench.ledger.release("c")
    other = bench.root / "kv-v0" / ("ee" * 16) / "ab"
    other.mkdir(parents=True)
    (other / "old.safetensors").write_bytes(bytes(50_000))
    bench.ledger.rescan()
    current = frozenset([MODELS["a"]])
    rows = {row.namespace: row.incompatible for row in bench.ledger.rows(current).namespaces}
    assert rows == {MODELS["a"]: False, MODELS["b"]: False, MODELS["c"]: True, f"kv-v0/{'ee' * 16}": True}
    assert bench.ledger.stats().other_version_bytes >= 50_000
    assert bench.ledger.prune(Criteria(current=current)).files == 3
    assert all(bench.there("a", kept) + bench.there("b", in_use))
    assert not any(bench.there("c", stale))
    assert not (bench.root / "kv-v0").exists()
    assert bench.ledger.stats().used_bytes == du_bytes(bench.root)


def test_another_format_goes_by_age_when_room_is_needed(bench: Bench) -> None:
    other = bench.root / "kv-v0" / ("ee" * 16)
    other.mkdir(parents=True)
    (other / "old.safetensors").write_bytes(bytes(500_000))
    chain = bench.chain("a", "x", 2, 50_000)
    bench.clock.go(10 * 365 * DAY_S)
    bench.touch("a", chain)
    bench.ledger.rescan()
    bench.ledger.set_policy(Policy(quota_bytes=400_000))
    assert not (other / "old.safetensors").exists()
    assert all(bench.there("a", chain))


def test_prune_keeps_pins_and_clear_can_take_them(bench: Bench) -> None:
    chain = bench.chain("a", "x", 3)
    bench.ledger.pin("system", MODELS["a"], [name.hash for name in chain[:2]])
    report = bench.ledger.clear()
    assert (report.files, report.kept_pinned_files) == (1, 2)
    assert bench.there("a", chain) == [True, True, False]
    assert bench.ledger.clear(pinned=True).files == 2


def test_old_blocks_go_on_their_own(tmp_path: Path) -> None:
    with opened(tmp_path, Policy(max_age_s=3600)) as bench:
        old = bench.chain("a", "old", 3)
        bench.clock.go(3000)
        new = bench.chain("a", "new", 3)
        bench.ledger.maintain()
        assert all(bench.there("a", old + new))
        bench.clock.go(1000)
        bench.ledger.maintain()
        assert bench.there("a", old + new) == [False] * 3 + [True] * 3
        assert bench.ledger.stats().evictions == {"age": 3}
        bench.ledger.set_policy(Policy(max_age_s=math.inf))


@pytest.mark.parametrize("criteria", [Criteria(), Criteria(older_than_s=0)])
def test_everything_may_go(bench: Bench, criteria: Criteria) -> None:
    bench.chain("a", "x", 1200, 8)
    heard: list[int] = []
    bench.ledger.listen(lambda removed: heard.append(len(removed)))
    assert bench.ledger.prune(criteria).files == 1200
    assert (sum(heard), max(heard)) == (1200, 500)
    assert bench.ledger.stats().blocks == 0
