from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

from omlx_daemon.ledger.policy import Policy
from tests.ledger.bench import MIB, MODELS, Bench, block, du_bytes, opened


def _crash(bench: Bench) -> None:
    """End the ledger as kill -9 does: nothing is written down."""
    bench.ledger._disk.close()
    bench.open()


def test_the_accounts_survive_without_a_word_written(bench: Bench) -> None:
    bench.chain("a", "x", 7, 5000)
    before = bench.ledger.stats()
    _crash(bench)
    after = bench.ledger.stats()
    assert (after.blocks, after.used_bytes, after.block_bytes) == (7, before.used_bytes, before.block_bytes)
    assert after.used_bytes == du_bytes(bench.root)
    assert {row.model for row in after.namespaces} == set(MODELS)


def test_recency_outlives_a_restart(tmp_path: Path) -> None:
    with opened(tmp_path) as bench:
        bench.clock.now_s = 2_000_000_000.0
        old, new = bench.chain("a", "old", 3, 100_000), bench.chain("b", "new", 3, 100_000)
        bench.ledger.maintain()
        bench.clock.go(100)
        bench.touch("a", old)
        bench.ledger.close()
        bench.open()
        bench.ledger.set_policy(Policy(quota_bytes=MIB // 2 + 64 * 1024))
        assert all(bench.there("a", old))
        assert bench.there("b", new) == [True, False, False]


def test_a_dead_writer_gives_back_its_reservation_and_its_temporaries(bench: Bench) -> None:
    ledger, directory = bench.ledger, bench.directory("a")
    assert ledger.reserve("a", MODELS["a"], 500_000, files=3) == 500_000
    with subprocess.Popen([sys.executable, "-c", "pass"]) as dead:
        pass
    finished = block("finished")
    bench.write("a", finished, 100_000)
    (directory / f".tmp-{dead.pid}-ff").write_bytes(bytes(100_000))
    (directory / f".tmp-{os.getpid()}-ff").write_bytes(bytes(50_000))
    (directory / ".tmp-1-ff").write_bytes(bytes(30_000))
    ledger.release("a", pid=1)
    stats = ledger.stats()
    assert (stats.reserved_bytes, stats.blocks) == (0, 1)
    assert [path.name for path in directory.glob(".tmp-*")] == [f".tmp-{os.getpid()}-ff"]
    assert stats.used_bytes == du_bytes(bench.root)
    assert not any(row.in_use for row in stats.namespaces if row.model == "a")


def test_temporaries_of_the_dead_go_at_the_start_and_old_ones_of_the_living(bench: Bench) -> None:
    directory = bench.directory("a")
    for name in (".tmp-999999999-a", ".tmp-nonsense"):
        (directory / name).write_bytes(bytes(5000))
    (bench.root / ".tmp-999999999-pins.json").write_text("{")
    _crash(bench)
    assert [path.name for path in directory.glob(".tmp-*")] == [".tmp-nonsense"]
    assert not list(bench.root.glob(".tmp-*"))
    assert bench.ledger.stats().used_bytes == du_bytes(bench.root)
    os.utime(directory / ".tmp-nonsense", (0, 0))
    bench.ledger.rescan()
    assert not list(directory.glob(".tmp-*"))


def test_a_rescan_finds_what_others_put_there_and_took_away(bench: Bench) -> None:
    gone, stays = bench.chain("a", "x", 2)
    bench.path("a", gone).unlink()
    bench.write("b", block("unreported"), 9000)
    (bench.root / "photos").mkdir()
    (bench.root / "photos" / "one").write_bytes(bytes(70_000))
    (bench.directory("c") / "notes").write_bytes(bytes(3000))
    (bench.directory("c") / "ff").symlink_to(bench.root / "photos")
    bench.ledger.rescan()
    stats = bench.ledger.stats()
    assert (stats.blocks, stats.foreign_files, stats.symlinks, stats.unreadable) == (2, 4, 1, 0)
    assert stats.used_bytes == du_bytes(bench.root)
    assert bench.path("a", stays).exists()


def test_what_is_not_ours_is_never_removed(bench: Bench) -> None:
    notes = [bench.root / "notes", bench.directory("a") / "notes", bench.root / "kv-v1" / "notes"]
    for path in notes:
        path.write_bytes(bytes(10_000))
    bench.chain("a", "x", 3)
    bench.ledger.rescan()
    for model in MODELS:
        bench.ledger.release(model)
    bench.ledger.set_policy(Policy(quota_bytes=1))
    bench.ledger.clear(pinned=True)
    bench.ledger.maintain()
    assert all(path.exists() for path in notes)
    assert bench.ledger.stats().blocks == 0


def test_an_empty_namespace_that_nobody_uses_goes_with_its_directories(bench: Bench) -> None:
    bench.chain("a", "x", 3)
    bench.ledger.clear()
    assert bench.directory("a").exists()
    for model in MODELS:
        bench.ledger.release(model)
    bench.ledger.rescan()
    assert not list((bench.root / "kv-v1").iterdir())
    assert bench.ledger.rows().namespaces == ()
    assert bench.ledger.stats().used_bytes == du_bytes(bench.root)
