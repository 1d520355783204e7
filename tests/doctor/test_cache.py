"""The cache on disk: real blocks, damaged and unreadable ones, a directory that somebody holds."""

from __future__ import annotations

import fcntl
import sys
import threading
from dataclasses import replace
from pathlib import Path

import msgspec
import psutil
import pytest

from omlx_cli.books import child
from omlx_cli.books.place import place
from omlx_cli.contract import routes
from omlx_cli.contract.cache import CacheStats, VerifyBody, VerifyDone, VerifyProgress, VerifyReport
from omlx_cli.contract.errors import Code
from omlx_cli.contract.paths import Paths
from omlx_cli.contract.settings import CacheSettings
from omlx_cli.diagnosis import cache
from omlx_cli.diagnosis.check import Verdict
from omlx_daemon.coldstore.layout import Layout, block_path
from tests.cli.stand_in import StandIn, records, refusal, reply
from tests.coldstore.blocks import namespace, store
from tests.doctor.conftest import Look, only


@pytest.fixture
def blocks(paths: Paths) -> list[Path]:
    """Return the files of three blocks."""
    space = namespace(paths.cache)
    return [block_path(space, store(space, seed, 8192)) for seed in range(3)]


def test_a_cache_that_is_off(look: Look, paths: Paths) -> None:
    paths.config.write_text("[cache]\nenabled = false\n")
    (check,) = look("cache")
    assert (check.verdict, check.found) == (Verdict.OK, "off, as cache.enabled wants it")


def test_one_that_is_not_there_yet(look: Look, paths: Paths) -> None:
    (check,) = look("cache")
    assert check.verdict is Verdict.OK
    assert check.found.startswith("0 blocks, 0 B of ")
    assert not paths.cache.exists()


def test_blocks_that_are_well(look: Look, paths: Paths, blocks: list[Path]) -> None:
    accounts, sample = look("cache")
    assert (accounts.verdict, accounts.found.split(" of ")[0].split(",")[0]) == (Verdict.OK, "3 blocks")
    assert (sample.verdict, sample.found.partition(" (")[0]) == (Verdict.OK, "3 blocks looked at")
    assert not paths.daemon_info.exists()


def test_a_damaged_block_is_put_aside(look: Look, blocks: list[Path]) -> None:
    data = bytearray(blocks[1].read_bytes())
    data[-5] ^= 0xFF
    blocks[1].write_bytes(data)
    _, sample = look("cache")
    assert (sample.verdict, sample.fix) == (Verdict.WARNING, "omlx cache verify")
    assert sample.found.startswith("1 of 3 blocks looked at were damaged and put aside")
    assert not blocks[1].exists()
    accounts, sample = look("cache")
    assert accounts.found.endswith("; damaged files put aside: 1")
    assert sample.verdict is Verdict.OK


def test_a_directory_that_another_process_holds(look: Look, paths: Paths, blocks: list[Path]) -> None:
    lock = Layout(paths.cache).root / ".lock"
    with lock.open("w") as held:
        fcntl.flock(held, fcntl.LOCK_EX)
        check = look("cache")[0]
    assert (check.verdict, check.fix) == (Verdict.BROKEN, "omlx cache stats")


def test_a_file_in_the_place_of_the_directory(look: Look, paths: Paths) -> None:
    paths.cache.write_text("")
    (check,) = look("cache")
    assert (check.verdict, check.fix) == (Verdict.BROKEN, f"mv {paths.cache} {paths.cache}.old")


def test_through_the_daemon(look: Look, daemon: StandIn) -> None:
    stats = CacheStats(path="/c", blocks=40, used_bytes=10**9, quota_bytes=10**10)
    daemon.says("GET", routes.CACHE_STATS, reply(stats))
    report = VerifyReport(checked=16, checked_bytes=10**8)
    daemon.says("POST", routes.CACHE_VERIFY, records(VerifyDone(report=report)))
    accounts, sample = look("cache")
    assert accounts.found == "40 blocks, 1.0 GB of 10.0 GB in /c"
    assert (sample.verdict, sample.found) == (Verdict.OK, "16 blocks looked at (100 MB), all good")
    assert daemon.asked(routes.CACHE_VERIFY) == [msgspec.to_builtins(VerifyBody(sample=cache.SAMPLE_BLOCKS))]
    degraded = msgspec.structs.replace(stats, state="degraded", reason="writing: No space left on device")
    daemon.says("GET", routes.CACHE_STATS, reply(degraded))
    daemon.says("POST", routes.CACHE_VERIFY, refusal(Code.CACHE_UNUSABLE, "no verification now", status=503))
    accounts, sample = look("cache")
    assert (accounts.verdict, accounts.fix) == (Verdict.BROKEN, "omlx logs --level warning")
    assert accounts.found == "nothing is written to /c: writing: No space left on device"
    assert (sample.verdict, sample.found) == (Verdict.BROKEN, "no verification now")
    off = CacheStats(path="/c", state="off", reason="cache.cold_max_size is 0")
    daemon.says("GET", routes.CACHE_STATS, reply(off))
    (accounts,) = look("cache")
    assert (accounts.verdict, accounts.found) == (Verdict.OK, "cache.cold_max_size is 0")


def test_unreadable_blocks_and_folders() -> None:
    check = cache.sample(VerifyReport(checked=4, unreadable=1))
    assert (check.verdict, check.found) == (Verdict.BROKEN, "1 of 4 blocks cannot be read")
    _, unreadable = cache.accounts(CacheStats(path="/c d", unreadable=2))
    assert (unreadable.verdict, unreadable.fix) == (Verdict.BROKEN, "chmod -R u+rwX '/c d'")


def test_one_block_is_a_block() -> None:
    assert cache.sample(VerifyReport(checked=1, checked_bytes=10**7)).found == "1 block looked at (10.0 MB), all good"
    (accounts,) = cache.accounts(CacheStats(path="/c", blocks=1, used_bytes=10**7))
    assert accounts.found == "1 block, 10.0 MB in /c"


LATE_S = 0.2
DAEMON_LATE_S = 3.0
"""For a daemon of which one answer comes in time and another one does not."""
SLOW_SAMPLE = "a sample of blocks was not read within {:g} s"


def test_a_disk_that_is_too_slow_is_not_waited_for(
    look: Look, paths: Paths, blocks: list[Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    """The child sleeps, as one does that waits for a disk; it is ended, and doctor goes on."""
    slow = (sys.executable, "-c", "import time; time.sleep(600)")
    monkeypatch.setattr(cache, "LIMIT_S", LATE_S)
    monkeypatch.setattr(child, "LEDGER", slow)
    before = set(psutil.Process().children())
    (accounts,) = look("cache")
    assert (accounts.verdict, accounts.fix) == (Verdict.WARNING, "omlx doctor disk")
    assert accounts.found == f"the accounts were not read within 0.2 s: the disk of {paths.cache} is slow, or very busy"
    assert set(psutil.Process().children()) <= before


def test_a_sample_that_takes_too_long_is_not_waited_for(
    blocks: list[Path], paths: Paths, monkeypatch: pytest.MonkeyPatch
) -> None:
    slow = (
        "import sys, time; 'verify' in sys.argv and time.sleep(600);"
        "from omlx_daemon.ledger.__main__ import main; main(sys.argv[1:])"
    )
    monkeypatch.setattr(child, "LEDGER", (sys.executable, "-c", slow))

    class Late(child.ChildBooks):
        """Has all the time for the accounts."""

        def stats(self) -> CacheStats:
            found = super().stats()
            self._limit_s = LATE_S
            return found

    accounts, sample = cache.looked_at(Late(place(CacheSettings(), paths), str(paths.home)), paths.cache, LATE_S)
    assert accounts.found.startswith("3 blocks, ")
    assert (sample.verdict, sample.found.partition(":")[0]) == (Verdict.WARNING, SLOW_SAMPLE.format(LATE_S))


def test_a_daemon_whose_disk_is_slow_is_not_waited_for(
    look: Look, daemon: StandIn, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(cache, "LIMIT_S", DAEMON_LATE_S)
    daemon.says("GET", routes.CACHE_STATS, reply(CacheStats(path="/c", blocks=40, used_bytes=10**9)))
    asked = threading.Event()
    stalled = records(VerifyProgress(checked=1, total=16), VerifyDone(report=VerifyReport()))
    daemon.says("POST", routes.CACHE_VERIFY, replace(stalled, gate=lambda number: number == 0 or asked.wait(60)))
    try:
        accounts, sample = look("cache")
    finally:
        asked.set()
    assert accounts.verdict is Verdict.OK
    assert (sample.verdict, sample.found.partition(":")[0]) == (Verdict.WARNING, SLOW_SAMPLE.format(DAEMON_LATE_S))


def test_nothing_is_started_or_made(look: Look, paths: Paths, blocks: list[Path]) -> None:
    before = sorted(paths.home.iterdir())
    look("cache")
    assert sorted(paths.home.iterdir()) == before
    assert only(look("daemon"), "daemon").found.startswith("it does not run")
