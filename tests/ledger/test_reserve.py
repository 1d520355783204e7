from __future__ import annotations

from pathlib import Path

import pytest

from omlx_daemon.coldstore.layout import block_path
from omlx_daemon.coldstore.names import Part
from omlx_daemon.ledger.policy import Policy, Reason, Refusal, WritePolicy
from omlx_daemon.ledger.room import MARGIN_BYTES
from tests.ledger.bench import MIB, MODELS, ROOT_HASH, Bench, block, du_bytes, opened


def test_the_books_agree_with_du(bench: Bench) -> None:
    bench.chain("a", "x", 20, 5000)
    bench.chain("b", "y", 5, 50_000)
    stats = bench.ledger.stats()
    assert stats.used_bytes == du_bytes(bench.root)
    assert (stats.blocks, stats.reserved_bytes, stats.state) == (25, 0, "ok")


def test_a_grant_is_all_or_nothing_and_can_be_given_back(bench: Bench) -> None:
    ledger = bench.ledger
    assert ledger.reserve("a", MODELS["a"], 1000, files=2) == 1000
    assert ledger.stats().reserved_bytes > 1000
    ledger.give_back("a", MODELS["a"], 400, files=1)
    ledger.give_back("a", MODELS["a"], 600, files=1)
    assert ledger.stats().reserved_bytes == 0


def test_the_least_recent_block_of_any_model_makes_room(tmp_path: Path) -> None:
    with opened(tmp_path, Policy(quota_bytes=2 * MIB)) as bench:
        old, new = bench.chain("a", "old", 4, 200_000), bench.chain("b", "new", 4, 200_000)
        bench.touch("a", old)
        bench.chain("c", "more", 4, 200_000)
        assert all(bench.there("a", old))
        assert bench.there("b", new) == [True, False, False, False]
        assert [(event.namespace, event.reason) for event in bench.removed] == [(MODELS["b"], Reason.QUOTA)] * 3
        assert [event.filename for event in bench.removed] == [name.filename for name in reversed(new[1:])]
        assert du_bytes(bench.root) <= 2 * MIB


def test_a_chain_longer_than_the_quota_keeps_its_head_and_does_not_eat_itself(tmp_path: Path) -> None:
    with opened(tmp_path, Policy(quota_bytes=MIB)) as bench:
        parent, stored = ROOT_HASH, []
        for depth in range(20):
            name = block(str(depth), parent)
            if not bench.store("a", name, 100_000):
                break
            stored.append(name)
            parent = name.hash
        assert 4 < len(stored) < 10
        assert all(bench.there("a", stored))
        assert bench.ledger.refusal("a") is Refusal.QUOTA
        assert bench.store("a", block("another"), 100_000)
        assert bench.there("a", stored) == [True] * (len(stored) - 1) + [False]
        assert bench.ledger.refusal("a") is None


def test_what_cannot_fit_evicts_nothing(tmp_path: Path) -> None:
    with opened(tmp_path, Policy(quota_bytes=MIB)) as bench:
        chain = bench.chain("a", "x", 4, 100_000)
        assert bench.ledger.reserve("b", MODELS["b"], 2 * MIB) == 0
        assert bench.ledger.refusal("b") is Refusal.QUOTA
        assert all(bench.there("a", chain))
        assert bench.ledger.stats().refusals == {"quota": 1}


def test_a_quota_of_nothing_stores_nothing(tmp_path: Path) -> None:
    with opened(tmp_path, Policy(quota_bytes=0)) as bench:
        assert bench.ledger.reserve("a", MODELS["a"], 1) == 0


def test_a_model_keeps_to_its_share(tmp_path: Path) -> None:
    quota_bytes = 4 * MIB + MARGIN_BYTES
    with opened(tmp_path, Policy(quota_bytes=quota_bytes, per_model_share=0.5)) as bench:
        other = bench.chain("b", "y", 2, 100_000)
        bench.clock.go(100)
        bench.chain("a", "x", 10, 100_000)
        for seed in range(30):
            assert bench.store("a", block(f"s{seed}"), 100_000)
        rows = {row.model: row for row in bench.ledger.rows().namespaces}
        assert rows["a"].size_bytes <= 2 * MIB
        assert all(bench.there("b", other))
        assert bench.ledger.stats().evictions.keys() == {"share"}
        assert bench.ledger.reserve("a", MODELS["a"], 3 * MIB) == 0
        assert bench.ledger.refusal("a") is Refusal.SHARE


def test_namespaces_of_one_model_share_its_share(tmp_path: Path) -> None:
    with opened(tmp_path, Policy(quota_bytes=4 * MIB, per_model_share=0.5)) as bench:
        bench.ledger.attach("a2", "dd" * 16, "a", {})
        old = bench.chain("a", "x", 10, 100_000)
        assert bench.ledger.reserve("a2", "dd" * 16, MIB) == MIB
        assert not all(bench.there("a", old))


def test_free_space_stays_over_the_floor(tmp_path: Path) -> None:
    with opened(tmp_path, Policy(min_free_bytes=MIB)) as bench:
        bench.disk.size_bytes = 4 * MIB
        for seed in range(60):
            assert bench.store("a", block(str(seed)), 100_000)
            assert bench.disk.free_bytes() >= MIB
        assert bench.ledger.stats().evictions.keys() == {"floor"}
        bench.disk.other_bytes = 900_000
        bench.ledger.maintain()
        assert bench.disk.free_bytes() >= MIB
        bench.ledger.set_policy(Policy(min_free_bytes=8 * MIB))
        assert bench.ledger.reserve("a", MODELS["a"], 1) == 0
        assert bench.ledger.refusal("a") is Refusal.FLOOR


def test_space_that_does_not_come_back_does_not_empty_the_cache(tmp_path: Path) -> None:
    with opened(tmp_path, Policy(min_free_bytes=MIB)) as bench:
        chain = bench.chain("a", "x", 10, 100_000)
        free = bench.disk(bench.root)
        held = (*free[:3], MIB // 4096, MIB // 4096, *free[5:10])
        bench.ledger._disk._statvfs = lambda path: type(free)(held)  # snapshots hold back what is removed
        for _ in range(5):
            assert bench.ledger.reserve("a", MODELS["a"], 100_000) == 0
        assert bench.there("a", chain).count(False) == 2


def test_the_day_has_a_write_budget_that_outlives_a_restart(tmp_path: Path) -> None:
    policy = Policy(write_budget_bytes_per_day=MIB)
    with opened(tmp_path, policy) as bench:
        bench.chain("a", "x", 4, 200_000)
        assert not bench.store("a", block("y"), 400_000)
        assert bench.ledger.refusal("a") is Refusal.BUDGET
    with opened(tmp_path, policy) as bench:
        bench.clock.go(4)
        assert not bench.store("a", block("y"), 400_000)
        assert 800_000 < bench.ledger.stats().written_today_bytes < MIB
        bench.clock.go(86_400)
        assert bench.ledger.stats().written_today_bytes == 0
        assert bench.store("a", block("y"), 400_000)


def test_second_hit_admits_what_comes_back(tmp_path: Path) -> None:
    hashes = [block(str(seed)).hash for seed in range(3)]
    with opened(tmp_path, Policy(write_policy=WritePolicy.SECOND_HIT)) as bench:
        assert bench.ledger.admit(MODELS["a"], hashes) == [False, False, False]
        assert bench.ledger.admit(MODELS["a"], hashes[:2]) == [True, True]
        assert bench.ledger.admit(MODELS["b"], hashes[:1]) == [False]
        bench.ledger.set_policy(Policy())
        assert bench.ledger.admit(MODELS["b"], hashes) == [True, True, True]


@pytest.mark.parametrize(
    ("namespace", "count_bytes", "files"), [("../x", 1, 1), (MODELS["a"], 0, 1), (MODELS["a"], 1, 0)]
)
def test_nonsense_is_refused_not_raised(bench: Bench, namespace: str, count_bytes: int, files: int) -> None:
    assert bench.ledger.reserve("a", namespace, count_bytes, files=files) == 0
    assert bench.ledger.refusal("a") is Refusal.INVALID


def test_a_report_of_what_is_not_there_enters_nothing(bench: Bench) -> None:
    bench.ledger.stored("a", MODELS["a"], block("x").filename, 4096)
    bench.ledger.stored("a", MODELS["a"], "../../etc/passwd", 4096)
    bench.ledger.stored("a", "../..", block("x").filename, 4096)
    assert bench.ledger.stats().blocks == 0


def test_a_smaller_quota_takes_effect_at_once(bench: Bench) -> None:
    bench.chain("a", "x", 20, 100_000)
    bench.ledger.set_policy(Policy(quota_bytes=MIB))
    assert du_bytes(bench.root) <= MIB


def test_a_writer_that_writes_more_than_it_reserved_is_cut_back(tmp_path: Path) -> None:
    with opened(tmp_path, Policy(quota_bytes=MIB)) as bench:
        for seed in range(30):
            name = block(str(seed))
            bench.ledger.reserve("a", MODELS["a"], 1)
            bench.ledger.stored("a", MODELS["a"], name.filename, bench.write("a", name, 100_000))
        assert du_bytes(bench.root) <= MIB


def test_missing_discarded_and_quarantined_blocks_leave_the_books(bench: Bench) -> None:
    gone, unwanted, damaged, good = bench.chain("a", "x", 4)
    bench.path("a", gone).unlink()
    bench.ledger.missing(MODELS["a"], [gone.filename, good.filename])
    aside = bench.directory("a") / ".quarantine"
    aside.mkdir()
    bench.path("a", damaged).rename(aside / damaged.filename)
    bench.ledger.quarantined(MODELS["a"], [damaged.filename])
    assert bench.ledger.discard(MODELS["a"], [unwanted.filename, gone.filename]) == 1
    stats = bench.ledger.stats()
    assert (stats.blocks, stats.quarantined_files) == (1, 1)
    assert stats.used_bytes == du_bytes(bench.root)
    assert stats.evictions == {"discard": 1}


def test_what_is_in_quarantine_goes_first(tmp_path: Path) -> None:
    with opened(tmp_path, Policy(quota_bytes=MIB)) as bench:
        chain = bench.chain("a", "x", 3, 200_000)
        bad = block("bad")
        assert bench.store("b", bad, 200_000)
        aside = bench.directory("b") / ".quarantine"
        aside.mkdir()
        bench.path("b", bad).rename(aside / bad.filename)
        bench.ledger.quarantined(MODELS["b"], [bad.filename])
        assert bench.store("c", block("new"), 200_000)
        assert all(bench.there("a", chain))
        assert not list(aside.iterdir())


def test_a_checkpoint_goes_without_its_block(tmp_path: Path) -> None:
    with opened(tmp_path, Policy(quota_bytes=2 * MIB)) as bench:
        head = block("h")
        state = block("h", part=Part.STATE)
        child = block("c", head.hash)
        for name, size_bytes in ((head, 100_000), (state, 900_000), (child, 100_000)):
            assert bench.store("a", name, size_bytes)
        assert bench.store("b", block("z"), 900_000)
        assert bench.there("a", [head, state, child]) == [True, False, True]


def test_nothing_outside_the_directory_is_ever_removed(tmp_path: Path) -> None:
    outside = tmp_path / "outside"
    with opened(tmp_path / "cache") as bench:
        names = bench.chain("a", "x", 3)
        fan = bench.path("a", names[0]).parent
        fan.rename(outside)
        fan.symlink_to(outside, target_is_directory=True)
        bench.ledger.clear()
        assert (outside / names[0].filename).exists()
        assert block_path(bench.directory("a"), names[0]).exists()
