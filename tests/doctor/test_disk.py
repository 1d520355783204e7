"""Room and speed: full, read-only, slow and remote disks."""

from __future__ import annotations

import os
import resource
import shlex
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from omlx_cli.books.place import Place
from omlx_cli.contract.paths import Paths
from omlx_cli.diagnosis import disk, speed
from omlx_cli.diagnosis.check import Verdict
from omlx_cli.diagnosis.disk import Volume
from omlx_cli.diagnosis.speed import MAX_BYTES, MAX_S, Speed
from tests.cli.conftest import Omlx
from tests.doctor.conftest import Look, only

MB, GB = 10**6, 10**9


@pytest.fixture
def small_disk(omlx_home: Path) -> Iterator[Path]:
    """Return a home that is a file system of 24 MiB of its own."""
    if os.getuid():
        pytest.skip("only root mounts; test_a_limit_on_files_is_told needs no mount")
    omlx_home.mkdir(mode=0o700)
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=24m,mode=700", "tmpfs", str(omlx_home)], check=True)
    yield omlx_home
    subprocess.run(["umount", "--lazy", str(omlx_home)], check=True)


def test_this_machine(look: Look, paths: Paths) -> None:
    checks = look("disk", HF_HOME=str(paths.home / "hf"))
    assert [check.name for check in checks if check.name != "limit"] == ["disk", "speed"]
    assert checks[0].found.endswith(f" free at {paths.home}")
    assert only(checks, "speed").found.startswith("writes ")


def test_a_full_disk(look: Look, small_disk: Path) -> None:
    with (small_disk / "filler").open("wb") as filler, pytest.raises(OSError, match="No space"):
        while True:
            filler.write(bytes(1 << 20))
            filler.flush()
    checks = look("disk", HF_HOME=str(small_disk))
    assert (checks[0].verdict, checks[0].fix) == (Verdict.BROKEN, "omlx cache prune --older-than 1d")
    assert checks[0].found == f"0 B free at {small_disk}: the daemon needs more to work"
    assert only(checks, "limit").verdict is Verdict.WARNING
    assert only(checks, "speed").found == f"not measured: {small_disk} has no room to spare"
    assert [path.name for path in small_disk.iterdir()] == ["filler"]


def test_a_small_disk_is_not_filled_by_the_measurement(look: Look, small_disk: Path) -> None:
    check = only(look("disk"), "speed")
    assert f"(4.2 MB in {small_disk}, tmpfs)" in check.found
    assert list(small_disk.iterdir()) == []


def test_a_disk_without_room_for_another_file(look: Look, small_disk: Path) -> None:
    subprocess.run(["mount", "-o", "remount,nr_inodes=1", str(small_disk)], check=True)
    check = look("disk")[0]
    assert check.verdict is Verdict.BROKEN
    assert check.found.endswith("no room for another file: it has as many as it can hold")


def test_a_read_only_disk(look: Look, small_disk: Path) -> None:
    subprocess.run(["mount", "-o", "remount,ro", str(small_disk)], check=True)
    checks = look("disk")
    assert (checks[0].verdict, checks[0].fix) == (Verdict.BROKEN, f"sudo mount -o remount,rw {small_disk}")
    assert only(checks, "speed").verdict is Verdict.BROKEN


def test_a_cache_on_a_disk_of_its_own_is_looked_at_too(look: Look, small_disk: Path, tmp_path: Path) -> None:
    other = tmp_path / "other"
    other.mkdir()
    (small_disk / "config.toml").write_text(f'[cache]\ndir = "{other}"\n')
    home, cache, *_ = look("disk", HF_HOME=str(other))
    assert home.found.endswith(f" free at {small_disk}: the daemon needs more to work")
    assert cache.found.endswith(f" free at {other}, for the cache")


def test_a_limit_on_files_is_told(look: Look, paths: Paths) -> None:
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    ignored = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (1 << 20, before[1]))
    try:
        check = only(look("disk"), "speed")
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
        signal.signal(signal.SIGXFSZ, ignored)
    assert check.verdict is Verdict.BROKEN
    assert check.found == f"writing to {paths.home} fails: File too large"


@pytest.mark.parametrize(
    ("free_bytes", "verdict"),
    [(0, Verdict.BROKEN), (199 * MB, Verdict.BROKEN), (GB, Verdict.WARNING), (9 * GB, Verdict.OK)],
)
def test_how_much_is_enough(tmp_path: Path, free_bytes: int, verdict: Verdict) -> None:
    check = disk.room(Volume(tmp_path, free_bytes, read_only=False, free_files=None))
    assert check.verdict is verdict
    assert disk.look(tmp_path).free_bytes > 0


@pytest.mark.parametrize(
    ("write", "read", "verdict"),
    [(2 * GB, 3 * GB, Verdict.OK), (80 * MB, 3 * GB, Verdict.WARNING), (2 * GB, 90 * MB, Verdict.WARNING)],
)
def test_how_fast_is_enough(tmp_path: Path, write: int, read: int, verdict: Verdict) -> None:
    check = disk.judge(Speed(64 << 20, write, read), tmp_path)
    assert check.verdict is verdict
    assert check.fix == ("" if verdict is Verdict.OK else "omlx config set cache.cold_max_size 0")


def test_what_mends_a_slow_disk_is_a_command_that_can_be_run(
    look: Look, omlx: Omlx, paths: Paths, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(speed, "measure", lambda folder: Speed(8 << 20, 4 * MB, 4 * MB))
    check = only(look("disk"), "speed")
    assert check.found.endswith("; put it on another disk (the setting cache.dir), or keep it in memory alone")
    program, *words = shlex.split(check.fix)
    assert (program, omlx(*words).code) == ("omlx", 0)
    assert "speed" not in {check.name for check in look("disk")}


@pytest.mark.parametrize("kind", ["nfs4", "smbfs", "fuse.sshfs"])
def test_a_remote_disk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, kind: str) -> None:
    monkeypatch.setattr(disk, "_kind", lambda path: kind)
    check = disk.judge(Speed(64 << 20, 2 * GB, 2 * GB), tmp_path)
    assert (check.verdict, f", {kind}): a network's" in check.found) == (Verdict.WARNING, True)


def test_the_measurement_is_bounded_and_leaves_nothing(tmp_path: Path) -> None:
    found = speed.measure(tmp_path)
    assert found is not None
    assert 0 < found.size_bytes <= MAX_BYTES
    assert min(found.write_bytes_per_s, found.read_bytes_per_s) > 0
    assert list(tmp_path.iterdir()) == []
    one = speed.measure(tmp_path, max_s=0.0)
    assert one is not None and one.size_bytes == 4 << 20
    assert speed.measure(tmp_path, max_bytes=1 << 20) is None
    assert MAX_S == 2.0


def test_a_measurement_that_is_killed_leaves_nothing(tmp_path: Path) -> None:
    code = (
        "import os, sys; from pathlib import Path; from omlx_cli.diagnosis import speed;"
        "real = os.fsync; os.fsync = lambda fd: (real(fd), os.kill(os.getpid(), 9));"
        "speed.measure(Path(sys.argv[1]))"
    )
    done = subprocess.run([sys.executable, "-c", code, str(tmp_path)], check=False)
    assert done.returncode == -9
    assert list(tmp_path.iterdir()) == []


def test_a_quota_that_leaves_nothing_to_the_cache(tmp_path: Path) -> None:
    (check,) = disk.limits(Place(tmp_path, GB, 5 * GB, 2 * GB))
    assert (check.verdict, check.fix) == (Verdict.WARNING, "omlx config set cache.min_free 1GB")
    assert list(disk.limits(Place(tmp_path, GB, GB, 2 * GB))) == []
