from __future__ import annotations

import os
from pathlib import Path

import pytest

from omlx_daemon.coldstore import blockfile
from omlx_daemon.coldstore.blockfile import OpenBlock
from omlx_daemon.coldstore.names import BlockName
from tests.ledger.bench import MODELS, Bench, block, du_bytes


def _flip(path: Path) -> None:
    raw = bytearray(path.read_bytes())
    raw[-1] ^= 1
    path.write_bytes(raw)


def test_damaged_blocks_are_put_aside_and_the_rest_stays(bench: Bench) -> None:
    chain = bench.chain("a", "x", 40, 512)
    for name in chain[::4]:
        _flip(bench.path("a", name))
    bench.path("a", chain[1]).unlink()
    seen: list[tuple[int, int]] = []
    report = bench.ledger.verify(progress=lambda checked, total: seen.append((checked, total)))
    assert (report.checked, report.damaged, report.unreadable) == (39, 10, 0)
    assert {bad.reason for bad in report.problems} == {"the payload's checksum is wrong"}
    assert {bad.filename for bad in report.problems} == {name.filename for name in chain[::4]}
    assert seen == [(16, 40), (32, 40), (40, 40)]
    stats = bench.ledger.stats()
    assert (stats.blocks, stats.quarantined_files) == (29, 10)
    assert stats.used_bytes == du_bytes(bench.root)
    assert bench.ledger.verify().damaged == 0


def test_a_sample_reads_so_many(bench: Bench) -> None:
    bench.chain("a", "x", 30, 64)
    assert bench.ledger.verify(7).checked == 7
    assert bench.ledger.verify(700).checked == 30


def test_what_may_not_be_read_is_counted_and_left(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    chain = bench.chain("a", "x", 3)
    open_block = blockfile.open_block

    def refusing(namespace_dir: Path, name: BlockName) -> OpenBlock:
        if name == chain[1]:
            raise PermissionError(13, os.strerror(13))
        return open_block(namespace_dir, name)

    monkeypatch.setattr(blockfile, "open_block", refusing)
    report = bench.ledger.verify()
    assert (report.checked, report.damaged, report.unreadable) == (3, 0, 1)
    assert report.problems[0].reason == "Permission denied"
    assert all(bench.there("a", chain))
    assert not bench.ledger.degraded


def test_links_and_directories_in_a_blocks_place_are_found(bench: Bench) -> None:
    chain = bench.chain("a", "x", 2)
    target = bench.path("a", chain[0])
    moved = bench.root.parent / "moved"
    target.rename(moved)
    target.symlink_to(moved)
    bench.path("a", chain[1]).unlink()
    bench.path("a", chain[1]).mkdir()
    report = bench.ledger.verify()
    assert report.damaged == 2
    assert moved.exists()


def test_a_listener_hears_nothing_of_what_it_must_not(bench: Bench) -> None:
    heard: list[object] = []
    bench.ledger.listen(heard.append)
    bench.chain("a", "x", 2)
    bench.ledger.touched(MODELS["a"], [block("unknown").filename])
    bench.ledger.missing(MODELS["a"], [block("unknown").filename])
    bench.ledger.verify()
    assert heard == []
