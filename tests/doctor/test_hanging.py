"""An area that hangs becomes a finding of its own, and the others go on."""

from __future__ import annotations

import fcntl
import json
import os
import shlex
import subprocess
import sys
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from threading import Event
from types import SimpleNamespace

import psutil
import pytest

from omlx_cli.contract.paths import Paths
from omlx_cli.diagnosis import backend, cache, versions, waiting
from omlx_cli.diagnosis.areas import AREAS, module, run
from omlx_cli.diagnosis.check import Check, Verdict, ok
from omlx_cli.diagnosis.subject import Subject
from omlx_cli.env import Env
from tests.doctor.conftest import only

SHORT_S = 1.5
HOLDER = """
import fcntl, os, signal, sys
signal.signal(signal.SIGIO, signal.SIG_IGN)
held = os.open(sys.argv[1], os.O_RDWR)
fcntl.fcntl(held, fcntl.F_SETLEASE, fcntl.F_WRLCK)
print("held", flush=True)
sys.stdin.read()
"""
"""Holds a file so that the kernel lets nobody else open it, for 45 seconds or until this ends."""
IMPATIENT = """
import functools, sys
from omlx_cli.__main__ import leave, run
from omlx_cli.diagnosis import areas
areas.run = functools.partial(areas.run, silence_s=5.0)
leave(run(sys.argv[1:]))
"""
"""`omlx`, whose doctor waits for five seconds only."""


class Area:
    """Stands for any area: says that it is well, and then what `then` yields."""

    def __init__(self, then: Callable[[], Iterable[Check]] = tuple, waits_s: float = 0.0) -> None:
        self.begun = Event()
        self.then = then
        self.WAITS_S = waits_s

    def checks(self, subject: Subject) -> Iterable[Check]:
        self.begun.set()
        yield ok("begin", "well")
        yield from self.then()


@pytest.fixture
def dead() -> Iterator[Callable[[], Iterable[Check]]]:
    """Return what a look at a dead disk is: it never ends, but for the sake of the threads when the test is over."""
    over = Event()

    def look() -> Iterable[Check]:
        over.wait()
        return ()

    yield look
    over.set()


def looked_at(areas: dict[str, Area], silence_s: float = SHORT_S) -> Iterator[Check]:
    return run(areas, Subject(Env()), silence_s, areas.__getitem__)


def test_one_that_hangs_is_broken_and_the_others_go_on(omlx_home: Path, dead: Callable[[], Iterable[Check]]) -> None:
    areas = {"install": Area(), "home": Area(dead), "disk": Area(), "cache": Area(dead), "agents": Area()}
    found = list(looked_at(areas))
    assert [(check.area, check.name, str(check.verdict)) for check in found] == [
        ("install", "begin", "ok"),
        ("home", "begin", "ok"),
        ("home", "home", "broken"),
        ("disk", "begin", "ok"),
        ("cache", "begin", "ok"),
        ("cache", "cache", "broken"),
        ("agents", "begin", "ok"),
    ]
    assert found[2].found == f"this could not be looked at within {SHORT_S:g} s: what it asks does not answer"
    assert found[2].fix == "OMLX_DEBUG=1 omlx doctor home"


def test_after_one_that_hangs_the_rest_are_looked_at_all_at_once(
    omlx_home: Path, dead: Callable[[], Iterable[Check]]
) -> None:
    areas = {"install": Area(), "home": Area(dead), "disk": Area(dead), "cache": Area()}
    checks = looked_at(areas)
    assert [next(checks).area, next(checks).area] == ["install", "home"]
    assert not areas["disk"].begun.is_set(), "one after the other, as long as none hangs"
    assert [(check := next(checks)).area, check.verdict] == ["home", Verdict.BROKEN]
    assert next(checks).area == "disk"
    assert areas["cache"].begun.wait(60), "it is not waited for that the disk is given up"
    assert [check.area for check in checks] == ["disk", "cache"]


def test_what_an_area_waits_for_by_itself_is_added_and_the_limit_is_of_silence(omlx_home: Path) -> None:
    def slow() -> Iterator[Check]:
        for _ in range(3):
            time.sleep(SHORT_S)
            yield ok("more", "well")

    found = [*looked_at({"backend": Area(slow, waits_s=60.0)}), *looked_at({"disk": Area(slow)}, SHORT_S * 2.9)]
    assert [check.verdict for check in found] == [Verdict.OK] * 8


def test_a_bug_is_no_finding(omlx_home: Path) -> None:
    with pytest.raises(ZeroDivisionError):
        list(looked_at({"disk": Area(lambda: [ok("share", str(1 // 0))])}))


def test_no_area_is_given_up_before_what_it_waits_for_is() -> None:
    waits_s = {name: getattr(module(name), "WAITS_S", 0.0) for name in AREAS}
    assert {name for name, wait_s in waits_s.items() if wait_s} == {
        "agents", "backend", "cache", "install", "port", "service", "versions",
    }  # fmt: skip
    assert cache.WAITS_S >= 2 * cache.LIMIT_S
    assert backend.WAITS_S > versions.WAITS_S > 0


def test_a_dead_disk_is_named(
    omlx_home: Path, paths: Paths, dead: Callable[[], object], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(os, "statvfs", lambda path: dead())
    home, settings, disk = run(("home", "settings", "disk"), Subject(Env()), SHORT_S)
    assert [home.verdict, settings.verdict, disk.verdict] == [Verdict.OK, Verdict.OK, Verdict.BROKEN]
    assert disk.found.endswith(f": the disk of {paths.cache} may not answer")


def test_a_dead_disk_of_the_network_is_let_go_by_its_name_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    mounts = [("/", "ext4"), ("/mnt", "tmpfs"), ("/mnt/my nas", "nfs4")]
    rows = [SimpleNamespace(mountpoint=mountpoint, fstype=fstype) for mountpoint, fstype in mounts]
    monkeypatch.setattr(psutil, "disk_partitions", lambda all: rows)
    found = waiting.given_up("disk", 20.0, Path("/mnt/my nas/omlx/cache"))
    assert found.found.endswith(
        "/mnt/my nas/omlx/cache lies on /mnt/my nas, a disk of the network (nfs4), which may not answer"
    )
    assert shlex.split(found.fix) == ["sudo", "umount", "-f", "/mnt/my nas"]
    near = waiting.given_up("disk", 20.0, Path("/mnt/other"))
    assert near.found == "this could not be looked at within 20 s: the disk of /mnt/other may not answer"


@contextmanager
def unopenable(file: Path) -> Iterator[None]:
    """Have everybody wait who opens a file, as the file of a dead server would."""
    holder = subprocess.Popen(
        [sys.executable, "-I", "-c", HOLDER, str(file)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    with holder:
        assert holder.stdout is not None and holder.stdout.readline() == "held\n"
        yield
        holder.kill()


@pytest.mark.skipif(
    not hasattr(fcntl, "F_SETLEASE"), reason="only Linux lets a file be held so that it cannot be opened"
)
def test_the_command_ends_beside_a_file_that_cannot_be_opened(omlx_home: Path, paths: Paths) -> None:
    paths.config.write_text("[server]\nport = 0\n")
    command = [sys.executable, "-I", "-c", IMPATIENT, "doctor", "home", "settings", "disk", "--json"]
    with unopenable(paths.config):
        done = subprocess.run(command, capture_output=True, text=True, timeout=40, check=False)
    checks = [Check(**check) for check in json.loads(done.stdout)["checks"]]
    assert (done.returncode, done.stderr) == (1, "")
    assert {check.area: str(check.verdict) for check in checks} == {
        "home": "ok", "settings": "broken", "disk": "broken",
    }  # fmt: skip
    assert only(checks, "settings").found.endswith(f"within 5 s: the disk of {paths.config} may not answer")
