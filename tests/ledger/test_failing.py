"""A disk that is full, read-only, broken or gone: nobody gets an exception, one warning is logged, it comes back."""

from __future__ import annotations

import errno
import logging
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from omlx_cli.contract.errors import Code, OmlxError
from omlx_daemon.coldstore import blockfile
from omlx_daemon.coldstore.layout import Layout
from omlx_daemon.ledger.health import RETRY_S
from omlx_daemon.ledger.ledger import Ledger
from omlx_daemon.ledger.policy import Policy, Refusal
from tests.ledger.bench import MIB, MODELS, Bench, block, opened, tensors


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """Return the mount point of a file system of 2 MiB."""
    path = tmp_path / "disk"
    path.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=2m", "tmpfs", str(path)]
    if sys.platform != "linux" or subprocess.run(mount, capture_output=True, check=False).returncode:
        pytest.skip("this system lets no test mount a file system")
    try:
        yield path
    finally:
        subprocess.run(["umount", "-l", str(path)], check=True)


def _warnings(caplog: pytest.LogCaptureFixture) -> list[str]:
    return [record.getMessage() for record in caplog.records if record.levelno == logging.WARNING]


@pytest.mark.parametrize("code", [errno.EIO, errno.EROFS, errno.ENOSPC, errno.ENOENT])
def test_a_failing_disk_degrades_quietly_and_recovers(
    bench: Bench, caplog: pytest.LogCaptureFixture, code: int
) -> None:
    chain = bench.chain("a", "x", 3)
    bench.disk.error = OSError(code, os.strerror(code))
    for _ in range(5):
        assert bench.ledger.reserve("a", MODELS["a"], 1000) == 0
        assert bench.ledger.refusal("a") is Refusal.DEGRADED
        bench.ledger.maintain()
        bench.ledger.failed("a", OSError(code, os.strerror(code)))
    assert len(_warnings(caplog)) == 1
    assert os.strerror(code) in _warnings(caplog)[0]
    assert bench.ledger.stats().state == "degraded"
    bench.disk.error = None
    assert bench.ledger.reserve("a", MODELS["a"], 1000) == 0
    bench.clock.go(RETRY_S)
    assert bench.store("a", block("back"))
    assert _warnings(caplog)[1:] == ["the cold tier works again"]
    assert bench.ledger.stats().state == "ok"
    assert all(bench.there("a", chain))


def test_a_writer_that_meets_a_full_disk_stops_all_until_a_trial_succeeds(bench: Bench) -> None:
    bench.ledger.failed("a", OSError(errno.ENOSPC, "No space left on device"))
    assert bench.ledger.degraded == "writing a block: No space left on device"
    assert bench.ledger.reserve("b", MODELS["b"], 1) == 0
    assert bench.ledger.probe()
    assert bench.ledger.reserve("b", MODELS["b"], 1) == 1


def test_a_link_in_one_blocks_place_costs_that_block_alone(bench: Bench) -> None:
    name = block("x")
    bench.path("a", name).parent.mkdir()
    bench.path("a", name).symlink_to("elsewhere")
    count_bytes = blockfile.file_bytes(name, tensors(4096), {})
    assert bench.ledger.reserve("a", MODELS["a"], count_bytes)
    with pytest.raises(FileExistsError) as caught:
        bench.write("a", name, 4096)
    bench.ledger.failed("a", caught.value)
    bench.ledger.give_back("a", MODELS["a"], count_bytes)
    assert not bench.ledger.degraded
    assert bench.store("a", block("y"))


def test_a_directory_that_was_deleted_is_made_anew(bench: Bench, caplog: pytest.LogCaptureFixture) -> None:
    bench.chain("a", "x", 3)
    shutil.rmtree(bench.root)
    bench.disk.error = FileNotFoundError(errno.ENOENT, "No such file or directory")
    assert bench.ledger.reserve("a", MODELS["a"], 1000) == 0
    bench.ledger.touched(MODELS["a"], [block("x/0").filename])
    bench.ledger.maintain()
    bench.ledger.rescan()
    assert len(_warnings(caplog)) == 1
    bench.disk.error = None
    bench.clock.go(RETRY_S)
    assert bench.store("a", block("new"))
    assert bench.ledger.stats().blocks == 1
    with pytest.raises(OmlxError) as caught:
        Ledger.open(bench.root, Policy())
    assert caught.value.code is Code.CACHE_LOCKED


def test_a_directory_that_another_took_over_meanwhile_is_left_to_it(bench: Bench) -> None:
    shutil.rmtree(bench.root)
    other = Ledger.open(bench.root, Policy())
    assert not bench.ledger.probe()
    assert "in use by another process" in bench.ledger.degraded
    other.close()
    assert bench.ledger.probe()


def test_a_home_that_was_deleted_is_not_made_anew(tmp_path: Path) -> None:
    home = tmp_path / "home"
    root = home / "large" / "things" / "cache"
    with pytest.raises(OmlxError, match="No such file or directory"):
        Ledger.open(root, Policy(), base=home)
    assert not home.exists()
    home.mkdir()
    ledger = Ledger.open(root, Policy(), base=home)
    shutil.rmtree(home)
    assert not ledger.probe()
    ledger.maintain()
    ledger.rescan()
    assert ledger.reserve("a", MODELS["a"], 1000) == 0
    with pytest.raises(FileNotFoundError):
        Layout(root).create_namespace(MODELS["a"], "a", {})
    assert not home.exists()
    home.mkdir()
    assert ledger.probe()
    ledger.close()


def test_all_that_a_directory_elsewhere_lies_in_is_made(tmp_path: Path) -> None:
    root = tmp_path / "large" / "things" / "cache"
    Ledger.open(root, Policy()).close()
    assert root.is_dir()


def test_a_namespace_that_was_deleted_is_made_anew(bench: Bench) -> None:
    chain = bench.chain("a", "x", 3)
    shutil.rmtree(bench.directory("a"))
    with pytest.raises(FileNotFoundError) as caught:
        blockfile.write(bench.directory("a"), block("y"), tensors(100), {})
    bench.ledger.failed("a", caught.value)
    assert bench.ledger.probe()
    assert bench.ledger.stats().blocks == 0
    assert bench.store("a", chain[0])
    assert (bench.directory("a") / "namespace.json").exists()


def test_a_real_full_disk(small_disk: Path, caplog: pytest.LogCaptureFixture) -> None:
    ledger = Ledger.open(small_disk / "cache", Policy())
    assert ledger.attach("a", MODELS["a"], "a", {})
    (small_disk / "film").write_bytes(bytes(1_900_000))
    directory = small_disk / "cache" / "kv-v1" / MODELS["a"]
    name = block("x")
    with pytest.raises(OSError, match="No space left") as caught:
        blockfile.write(directory, name, tensors(500_000), {})
    assert not list(directory.glob(".tmp-*"))
    ledger.failed("a", caught.value)
    (small_disk / "film2").write_bytes(bytes(os.statvfs(small_disk).f_bavail * 4096))
    assert not ledger.probe()
    assert ledger.reserve("a", MODELS["a"], 1000) == 0
    ledger.close()
    ledger = Ledger.open(small_disk / "cache", Policy())
    assert ledger.stats().namespaces[0].model == "a"
    (small_disk / "film").unlink()
    assert ledger.reserve("a", MODELS["a"], 500_000) == 500_000
    ledger.stored("a", MODELS["a"], name.filename, blockfile.write(directory, name, tensors(500_000), {}))
    assert ledger.stats().blocks == 1
    more_bytes = os.statvfs(small_disk).f_bavail * 4096 + 100_000
    assert ledger.reserve("a", MODELS["a"], more_bytes) == more_bytes
    assert not (directory / name.fan / name.filename).exists()
    assert len(_warnings(caplog)) == 1
    ledger.close()


def test_a_real_small_disk_keeps_its_floor(small_disk: Path) -> None:
    floor_bytes = 300_000
    ledger = Ledger.open(small_disk / "cache", Policy(min_free_bytes=floor_bytes))
    ledger.attach("a", MODELS["a"], "a", {})
    directory = small_disk / "cache" / "kv-v1" / MODELS["a"]
    for number in range(60):
        name = block(str(number))
        count_bytes = blockfile.file_bytes(name, tensors(100_000), {})
        assert ledger.reserve("a", MODELS["a"], count_bytes) == count_bytes
        ledger.stored("a", MODELS["a"], name.filename, blockfile.write(directory, name, tensors(100_000), {}))
        assert os.statvfs(small_disk).f_bavail * 4096 >= floor_bytes
    stats = ledger.stats()
    assert stats.evictions.keys() == {"floor"}
    assert stats.blocks + stats.evictions["floor"] == 60
    ledger.close()


def test_a_real_read_only_disk(small_disk: Path, caplog: pytest.LogCaptureFixture) -> None:
    with opened(small_disk / "cache", Policy(quota_bytes=MIB)) as bench:
        chain = bench.chain("a", "x", 4, 200_000)
        remount = ["mount", "-o", "remount,{}", str(small_disk)]
        subprocess.run([part.format("ro") for part in remount], check=True)
        assert bench.ledger.reserve("a", MODELS["a"], 500_000) == 0
        assert bench.ledger.refusal("a") is not None
        bench.ledger.maintain()
        report = bench.ledger.clear()
        assert report.files == 0
        assert report.error is not None
        assert report.error.code is Code.CACHE_UNUSABLE
        assert bench.ledger.stats().blocks == 4
        assert all(bench.there("a", chain))
        subprocess.run([part.format("rw") for part in remount], check=True)
        bench.clock.go(RETRY_S)
        assert bench.store("a", block("y"), 500_000)
        assert len(_warnings(caplog)) == 2
