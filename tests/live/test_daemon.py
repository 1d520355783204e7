"""The events of a real daemon."""

from __future__ import annotations

import json
import os
import signal
import threading
from pathlib import Path

import pytest

from omlx_cli.contract import routes
from omlx_cli.contract.api import DaemonState, RequestPhase
from omlx_cli.contract.live import Change, HappeningKind, Snapshot
from tests.daemon.conftest import Home, Running, until
from tests.daemon.test_drain import MODEL, ask, row
from tests.live.conftest import Follower, following, timeless


@pytest.fixture
def served(home: Home) -> Running:
    """Return a running daemon with models that answer, do not load, and hang, whose workers are doubles."""
    for name in (MODEL, "fail-load", "crash-load"):
        home.add_model(name)
    return home.launch()


def same_moment(home: Home, follower: Follower) -> tuple[Snapshot, Snapshot]:
    """Return what a follower holds, and a fresh snapshot of the very same state."""
    while True:
        with following(home) as other:
            fresh = other.now
        while follower.now.number < fresh.number:
            assert follower.step() is not None
        lines = [one.number for one in fresh.happenings]
        if follower.now.number == fresh.number and [one.number for one in follower.now.happenings] == lines:
            return follower.now, fresh
        follower.step()


def test_whoever_applies_every_change_holds_what_a_fresh_snapshot_says(
    home: Home, served: Running, tmp_path: Path
) -> None:
    sign = tmp_path / "go"
    with following(home) as follower:
        assert (follower.now.models, follower.now.requests, follower.now.happenings) == ((), (), ())
        running = ask(home, f"until:{sign}")
        follower.until(lambda now: now.running == 1 and now.requests and now.requests[0].tokens == 1)
        mine, fresh = same_moment(home, follower)
        assert timeless(mine, fresh) == timeless(fresh)
        assert mine.requests[0].ttft_s is not None
        sign.touch()
        running.getresponse().read()
        follower.until(lambda now: not now.requests and now.requests_total == 1)
        follower.until(lambda now: HappeningKind.FINISHED in follower.kinds())
        assert follower.kinds() == [HappeningKind.LOADED, HappeningKind.FINISHED]
        mine, fresh = same_moment(home, follower)
        assert timeless(mine, fresh) == timeless(fresh)
        assert mine.daemon.pid == served.process.pid
        loaded, finished = mine.happenings
        assert (loaded.model, finished.model) == (MODEL, MODEL)
        assert finished.request.startswith("cmpl-") or finished.request
        assert "1 in (none reused), 1 out" in finished.message


def test_what_goes_wrong_is_told(home: Home, served: Running) -> None:
    with following(home) as follower:
        assert ask(home, "x", model="fail-load").getresponse().status >= 400
        follower.until(lambda now: HappeningKind.FAILED in follower.kinds())
        crashed, failed = follower.now.happenings
        assert crashed.kind is HappeningKind.CRASHED
        assert "no such layers" in crashed.message
        assert "no such layers" in failed.message
        waiting = ask(home, "wait")
        # Loaded, that is: who leaves earlier leaves no worker that could crash.
        follower.until(lambda now: any(one.phase is RequestPhase.PREFILL for one in now.requests))
        waiting.close()
        follower.until(lambda now: HappeningKind.CANCELLED in follower.kinds())
        os.kill(row_of(home, MODEL), signal.SIGKILL)
        last = follower.until(lambda now: now.happenings[-1].kind is HappeningKind.CRASHED).happenings[-1]
        assert last.model == MODEL


def row_of(home: Home, model: str) -> int:
    models = home.call("GET", routes.PS)[1]["models"]
    pid = next(int(found["pid"]) for found in models if found["name"] == model)
    assert pid, "its process is gone, or not there yet"
    return pid


def test_a_model_that_is_unloaded_and_settings_that_are_read_again_are_told(home: Home, served: Running) -> None:
    with following(home) as follower:
        ask(home, "x").getresponse().read()
        assert home.call("POST", routes.UNLOAD, {"model": MODEL})[0] == 200
        home.configure('[server]\nport = 0\n[model]\nttl = "1h"\n')
        assert home.call("POST", routes.RELOAD)[0] == 200
        follower.until(lambda now: HappeningKind.SETTINGS in follower.kinds())
        by_kind = {one.kind: one.message for one in follower.now.happenings}
        assert by_kind[HappeningKind.UNLOADED] == f"{MODEL} was unloaded by command"
        assert "model.ttl" in by_kind[HappeningKind.SETTINGS]


def test_an_idle_model_goes_with_its_reason(home: Home, served: Running) -> None:
    with following(home) as follower:
        body = json.dumps({"model": MODEL, "prompt": "x", "keep_alive": 0})
        connection = home.connect()
        connection.request("POST", routes.COMPLETIONS, body, {"content-type": "application/json"})
        connection.getresponse().read()
        follower.until(lambda now: HappeningKind.UNLOADED in follower.kinds())
        last = next(one for one in follower.now.happenings if one.kind is HappeningKind.UNLOADED)
        assert last.message == f"{MODEL} was unloaded: idle for 0"


def test_what_happened_before_is_in_the_snapshot(home: Home, served: Running) -> None:
    ask(home, "x").getresponse().read()
    with following(home) as follower:
        assert [one.kind for one in follower.now.happenings] == [HappeningKind.LOADED, HappeningKind.FINISHED]


def test_only_what_changed_is_sent(home: Home, served: Running) -> None:
    with following(home) as follower:
        ask(home, "x").getresponse().read()
        follower.until(lambda now: now.requests_total == 1)
        changes = [event for event in follower.events if isinstance(event, Change)]
        assert all(change.daemon is None for change in changes)
        assert [change.number for change in changes] == list(range(1, len(changes) + 1))
        assert sum(change.requests_total is not None for change in changes) == 1


def test_a_daemon_that_stops_tells_its_readers_and_ends(home: Home, served: Running) -> None:
    with following(home) as follower:
        ask(home, "x").getresponse().read()
        served.process.terminate()
        while follower.step() is not None:
            pass
        assert follower.now.daemon.state is DaemonState.DRAINING
        assert served.wait()[0] == 0


def test_many_readers_leave_nothing_behind(home: Home, served: Running) -> None:
    def read() -> None:
        with following(home) as follower:
            follower.until(lambda now: now.requests_total == 1)

    threads = [threading.Thread(target=read) for _ in range(8)]
    for thread in threads:
        thread.start()
    ask(home, "x").getresponse().read()
    for thread in threads:
        thread.join()
    until(lambda: row(home)["state"] == "idle")
    assert "Traceback" not in home.paths.daemon_log.read_text()


@pytest.mark.parametrize("interval", ["soon", "5", "-1s", "never", "2h"])
def test_a_wrong_interval_is_refused(home: Home, served: Running, interval: str) -> None:
    status, said = home.call("GET", f"{routes.EVENTS}?interval={interval}")
    assert (status, said["error"]["param"]) == (400, "interval")
