"""The daemon's start and stop with real locks, pipes and processes."""

from __future__ import annotations

import fcntl
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import msgspec
import psutil
import pytest

from omlx_cli import __version__, locks
from omlx_cli.client import Client
from omlx_cli.contract import routes
from omlx_cli.contract.api import PROTOCOL, DaemonState, SlotInfo, SlotState
from omlx_cli.contract.errors import Code, OmlxError
from omlx_cli.contract.paths import Paths
from omlx_cli.lifecycle import Lifecycle
from omlx_cli.service.process import ProcessService
from tests.cli.stand_in import StandIn, reply, serving
from tests.cli.starting import ROOT, lifecycle_of, started
from tests.waiting import wait_until

NO_PROCESS = 5_000_000
"""More than any process has."""
ENSURE = """
import sys
sys.path.insert(0, sys.argv[2])
from pathlib import Path
from omlx_cli.contract.paths import Paths
from tests.cli.starting import lifecycle_of
print(lifecycle_of(Paths(Path(sys.argv[1]))).ensure().pid)
"""


@pytest.fixture
def home(omlx_home: Path) -> Iterator[Paths]:
    """Return a home; whatever was started in it is killed afterwards."""
    paths = Paths(omlx_home)
    yield paths
    for pid in started(paths):
        try:
            os.kill(pid, signal.SIGKILL)
            os.waitpid(pid, 0)
        except (ProcessLookupError, ChildProcessError):
            continue


def test_a_missing_daemon_is_started_detached(home: Paths) -> None:
    health = lifecycle_of(home).ensure()
    assert [health.pid] == started(home)
    assert os.getsid(health.pid) == health.pid != os.getsid(0)
    assert Path(f"/proc/{health.pid}/cwd").resolve() == Path("/")
    assert home.run.stat().st_mode & 0o777 == 0o700
    assert home.boot_log.stat().st_mode & 0o777 == 0o600


def test_a_running_daemon_is_left_alone(home: Paths) -> None:
    first = lifecycle_of(home).ensure()
    assert lifecycle_of(home).ensure() == first
    assert len(started(home)) == 1


def test_twenty_at_once_start_one_daemon(home: Paths) -> None:
    home.create()
    home.socket.write_text("no socket at all")
    processes = [
        subprocess.Popen(
            [sys.executable, "-c", ENSURE, str(home.home), str(ROOT)], stdout=subprocess.PIPE, stderr=subprocess.PIPE
        )
        for _ in range(6)
    ]
    pids: list[int] = []
    threads = [threading.Thread(target=lambda: pids.append(lifecycle_of(home).ensure().pid)) for _ in range(14)]
    for thread in threads:
        thread.start()
    for process in processes:
        out, err = process.communicate(timeout=100)
        assert process.returncode == 0, err
        pids.append(int(out))
    for thread in threads:
        thread.join()
    assert started(home) == [pids[0]]
    assert pids == [pids[0]] * 20


def test_the_next_one_works_after_kill_9(home: Paths) -> None:
    first = lifecycle_of(home).ensure()
    os.kill(first.pid, signal.SIGKILL)
    second = lifecycle_of(home).ensure()
    assert second.pid != first.pid
    assert started(home) == [first.pid, second.pid]


def test_the_daemons_own_error_is_told(home: Paths) -> None:
    with pytest.raises(OmlxError) as caught:
        lifecycle_of(home, "error").ensure()
    assert (caught.value.code, str(caught.value), caught.value.body.hint) == (
        Code.PORT_IN_USE,
        "port 8000 is taken",
        "take another",
    )


def test_a_daemon_that_ends_while_starting_leaves_its_last_words(home: Paths) -> None:
    for _ in range(2):
        with pytest.raises(OmlxError) as caught:
            lifecycle_of(home, "crash").ensure()
        assert str(caught.value) == "the daemon ended while starting (exit code 1): ModuleNotFoundError: no engine"
        assert caught.value.body.hint == f"{home.boot_log}  holds what it printed"
        assert caught.value.meaning.exit == 4
    assert lifecycle_of(home).ensure().pid


def test_a_daemon_that_takes_too_long_is_ended(home: Paths) -> None:
    before = set(psutil.Process().children())
    with pytest.raises(OmlxError) as caught:
        lifecycle_of(home, "wedge", timeout_s=1.0).ensure()
    assert (caught.value.code, str(caught.value)) == (Code.NOT_READY, "the daemon was not ready within 1s")
    assert caught.value.meaning.exit == 5
    # Whether it had come so far that it wrote down its start or not.
    assert set(psutil.Process().children()) <= before


def test_a_start_lock_that_is_never_let_go_is_no_hang(home: Paths) -> None:
    home.create()
    with home.start_lock.open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        with pytest.raises(OmlxError, match="not ready within 50ms"):
            lifecycle_of(home, timeout_s=0.05).ensure()
    assert started(home) == []


def test_a_daemon_that_drains_is_waited_for_and_followed_by_another(home: Paths) -> None:
    home.create()
    old = StandIn(home.socket, state=DaemonState.DRAINING)
    found: list[int] = []
    with home.daemon_lock.open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        with serving(old):
            thread = threading.Thread(target=lambda: found.append(lifecycle_of(home).ensure().pid))
            thread.start()
            wait_until(lambda: len(old.seen) >= 3)
        # Its socket is gone and its lock is not: starts made now end in 75.
        wait_until(lambda: len(started(home)) >= 1)
    thread.join(60)
    assert found == [started(home)[-1]]


def test_a_home_that_cannot_be_made_is_one_line(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(OmlxError) as caught:
        lifecycle_of(Paths(tmp_path / "file" / "home")).ensure()
    assert str(caught.value).startswith(f"cannot make {tmp_path}/file/home")
    assert caught.value.meaning.exit == 4


def test_an_idle_daemon_of_another_version_is_replaced(home: Paths) -> None:
    home.create()
    with home.daemon_lock.open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        stopped = threading.Event()
        old = StandIn(home.socket, version="0.0.1", on_shutdown=stopped.set)
        warnings: list[str] = []
        found: list[str] = []
        thread = threading.Thread(target=lambda: found.append(lifecycle_of(home, warn=warnings).ensure().version))
        with serving(old):
            thread.start()
            assert stopped.wait(60)
    thread.join(60)
    assert found == [__version__]
    assert warnings == []


def busy(stand_in: StandIn) -> None:
    row = SlotInfo(name="smollm2", state=SlotState.BUSY, running=1)
    stand_in.says("GET", routes.STATUS, reply(msgspec.structs.replace(stand_in.status(), running=1, models=(row,))))


def test_a_busy_daemon_of_another_version_is_warned_about(home: Paths, daemon: StandIn) -> None:
    daemon.version = "0.0.1"
    busy(daemon)
    warnings: list[str] = []
    assert lifecycle_of(home, warn=warnings).ensure().version == "0.0.1"
    assert warnings == [f"the running daemon is omlx 0.0.1, this is {__version__}; omlx restart  replaces it"]
    assert daemon.asked(routes.SHUTDOWN) == []


def test_a_busy_daemon_of_another_protocol_is_refused(home: Paths, daemon: StandIn) -> None:
    daemon.says(
        "GET",
        routes.HEALTH,
        reply(msgspec.structs.replace(daemon.health(), version="9.0.0", protocol=PROTOCOL + 1)),
    )
    busy(daemon)
    with pytest.raises(OmlxError, match="cannot talk to it"):
        lifecycle_of(home).ensure()


def test_stop_waits_until_the_daemon_is_gone(home: Paths) -> None:
    pid = lifecycle_of(home).ensure().pid
    assert lifecycle_of(home).stop(60.0) is True
    assert not locks.is_held(home.daemon_lock)
    assert os.waitpid(pid, 0) == (pid, 0)
    assert lifecycle_of(home).stop(60.0) is False


def test_stop_tells_of_a_daemon_that_does_not_end(home: Paths, daemon: StandIn) -> None:
    with home.daemon_lock.open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        with pytest.raises(OmlxError) as caught:
            lifecycle_of(home).stop(0.1)
    assert (caught.value.code, caught.value.body.hint) == (Code.NOT_READY, "omlx stop --force  cuts them off")
    assert len(daemon.asked(routes.SHUTDOWN)) == 1


def test_force_ends_a_daemon_that_does_not_answer_any_more(home: Paths) -> None:
    pid = lifecycle_of(home).ensure().pid
    os.kill(pid, signal.SIGSTOP)
    assert lifecycle_of(home).stop(60.0, force=True) is True
    assert os.waitpid(pid, 0) == (pid, signal.SIGKILL)


def test_force_never_signals_a_stranger(home: Paths) -> None:
    home.create()
    with subprocess.Popen(["sleep", "60"]) as stranger, home.daemon_lock.open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        for file in (home.daemon_info, home.daemon_lock):
            file.write_text(f'{{"pid":{stranger.pid}}}' if file == home.daemon_info else f"{stranger.pid}\n")
        release = threading.Timer(2.0, lock.close)
        release.start()
        assert lifecycle_of(home).stop(60.0, force=True) is True
        release.join()
        assert stranger.poll() is None
        stranger.kill()


@pytest.mark.parametrize("force", [False, True])
def test_stop_leaves_a_daemon_alone_that_another_command_starts_meanwhile(home: Paths, force: bool) -> None:
    home.create()
    old, new = (StandIn(home.socket, pid=NO_PROCESS, start_id=name) for name in ("old", "new"))
    with home.daemon_lock.open("w") as lock, ExitStack() as first, ExitStack() as second:
        fcntl.flock(lock, fcntl.LOCK_EX)
        print(os.getpid(), file=lock, flush=True)
        first.enter_context(serving(old))

        class Managed(ProcessService):
            """A manager that ends the daemon by itself; the next one has its lock before anybody looks again."""

            def stop(self) -> None:
                first.close()
                second.enter_context(serving(new))

        client = Client(str(home.socket))
        assert Lifecycle(home, client, Managed(home), lambda: 60.0, print).stop(60.0, force) is True
        assert (old.asked(routes.SHUTDOWN), new.asked(routes.SHUTDOWN)) == ([], [])


def test_stop_reaches_a_daemon_that_still_starts(home: Paths) -> None:
    home.create()
    stopped = threading.Event()
    with home.daemon_lock.open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        results: list[bool] = []
        thread = threading.Thread(target=lambda: results.append(lifecycle_of(home).stop(60.0)))
        thread.start()
        with serving(StandIn(home.socket, on_shutdown=stopped.set)):
            assert stopped.wait(60)
    thread.join(60)
    assert results == [True]
