"""Others at work in the cache directory: what they remove, add, replace or mount is seen without being asked for."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest

from omlx_daemon.coldstore.trace import trace
from omlx_daemon.ledger.policy import Policy, Reason
from tests.ledger.bench import MIB, MODELS, Bench, block, du_bytes, opened


def test_a_look_costs_a_scan_only_where_files_came_or_went(bench: Bench) -> None:
    chain = bench.chain("a", "x", 3)
    bench.ledger.maintain()
    bench.ledger.rescan()
    bench.ledger._scan_again_at_s = 0.0
    assert not bench.ledger.look()
    bench.clock.go(60)
    bench.touch("a", chain)
    bench.ledger.maintain()
    assert not bench.ledger.look()
    bench.path("a", chain[2]).unlink()
    assert bench.ledger.look()
    bench.ledger._scan_again_at_s = 0.0
    assert not bench.ledger.look()


def test_looks_take_a_small_share_of_the_time(bench: Bench) -> None:
    bench.chain("a", "x", 3)
    bench.ledger.rescan()
    (bench.directory("a") / "new").write_text("")
    assert not bench.ledger.look()
    bench.ledger._scan_again_at_s = 0.0
    assert bench.ledger.look()


@pytest.mark.parametrize("place", ["", "kv-v1", "kv-v1/{a}", "kv-v1/{a}/{fan}", "kv-v1/{a}/.quarantine", "other/deep"])
def test_a_file_that_comes_or_goes_leaves_a_trace(bench: Bench, place: str) -> None:
    (chain,) = bench.chain("a", "x", 1)
    directory = bench.root / place.format(a=MODELS["a"], fan=chain.fan)
    directory.mkdir(parents=True, exist_ok=True)
    before = trace(bench.root)
    assert trace(bench.root) == before
    (directory / "new").write_text("")
    after = trace(bench.root)
    assert after != before
    (directory / "new").unlink()
    assert trace(bench.root) not in (before, after)


def test_blocks_that_somebody_removed_leave_the_books_and_the_workers_hear_of_it(bench: Bench) -> None:
    chain, other = bench.chain("a", "x", 4, 100_000), bench.chain("b", "y", 2, 100_000)
    bench.ledger.rescan()
    bench.ledger._scan_again_at_s = 0.0
    for name in chain[1:]:
        bench.path("a", name).unlink()
    assert bench.ledger.look()
    stats = bench.ledger.stats()
    assert (stats.blocks, stats.used_bytes) == (3, du_bytes(bench.root))
    gone = {(event.namespace, event.filename, event.reason) for event in bench.removed}
    assert gone == {(MODELS["a"], name.filename, Reason.GONE) for name in chain[1:]}
    assert stats.evictions == {}
    assert all(bench.there("b", other))
    assert bench.store("a", chain[1])


def test_files_that_somebody_adds_are_counted_and_room_is_made_for_them(tmp_path: Path) -> None:
    with opened(tmp_path / "cache", Policy(quota_bytes=MIB)) as bench:
        bench.chain("a", "x", 8, 100_000)
        bench.ledger.rescan()
        bench.ledger._scan_again_at_s = 0.0
        (bench.directory("a") / "film.mp4").write_bytes(bytes(300_000))
        assert du_bytes(bench.root) > MIB
        assert bench.ledger.look()
        assert du_bytes(bench.root) <= MIB
        stats = bench.ledger.stats()
        assert (stats.foreign_files, stats.used_bytes) == (1, du_bytes(bench.root))
        assert (bench.directory("a") / "film.mp4").exists()


def test_a_directory_that_was_deleted_is_noticed_at_the_next_write(bench: Bench) -> None:
    chain = bench.chain("a", "x", 3)
    bench.ledger.pin("mine", MODELS["a"], [chain[0].hash])
    shutil.rmtree(bench.root)
    assert bench.store("a", block("new"))
    assert not bench.ledger.degraded
    stats = bench.ledger.stats()
    assert (stats.blocks, stats.used_bytes, stats.pins) == (1, du_bytes(bench.root), 1)
    assert {event.filename for event in bench.removed} == {name.filename for name in chain}
    bench.ledger.close()
    bench.open()
    assert [pin.label for pin in bench.ledger.pins().pins] == ["mine"]


def test_another_directory_in_its_place_is_taken_over_with_its_own_blocks_and_pins(tmp_path: Path) -> None:
    with opened(tmp_path / "other") as other:
        theirs = other.chain("a", "theirs", 2)
        other.ledger.pin("theirs", MODELS["a"], [theirs[0].hash])
    with opened(tmp_path / "cache") as bench:
        ours = bench.chain("a", "ours", 3)
        bench.ledger.pin("ours", MODELS["a"], [ours[0].hash])
        bench.root.rename(tmp_path / "away")
        (tmp_path / "other").rename(bench.root)
        bench.ledger.maintain()
        stats = bench.ledger.stats()
        assert (stats.blocks, stats.used_bytes) == (2, du_bytes(bench.root))
        assert [pin.label for pin in bench.ledger.pins().pins] == ["theirs"]
        assert {event.filename for event in bench.removed} == {name.filename for name in ours}
        assert bench.store("a", block("new"))


def test_a_removed_lock_file_is_made_anew(bench: Bench) -> None:
    bench.chain("a", "x", 3)
    (bench.root / ".lock").unlink()
    bench.ledger.maintain()
    assert not bench.ledger.degraded
    assert (bench.root / ".lock").exists()
    assert bench.ledger.stats().blocks == 3
    assert bench.removed == []


def test_a_volume_that_is_mounted_over_it_is_taken_over_and_given_up(bench: Bench) -> None:
    ours = bench.chain("a", "ours", 3)
    mount = ["mount", "-t", "tmpfs", "-o", "size=4m", "tmpfs", str(bench.root)]
    if subprocess.run(mount, capture_output=True, check=False).returncode:
        pytest.skip("this system lets no test mount a file system")
    try:
        assert bench.store("a", block("there"))
        assert bench.ledger.stats().blocks == 1
        assert bench.directory("a").stat().st_dev == bench.root.stat().st_dev
    finally:
        subprocess.run(["umount", "-l", str(bench.root)], check=True)
    bench.ledger.maintain()
    assert bench.ledger.stats().blocks == 3
    assert all(bench.there("a", ours))
