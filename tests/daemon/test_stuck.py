"""A worker that has stopped: the daemon says so, names the request, and replaces it."""

from __future__ import annotations

import json
import os
import signal

import pytest

from omlx_cli.contract import routes
from tests.daemon.conftest import Home, Running, until
from tests.daemon.test_drain import MODEL, ask, gone, row, text_of

SETTINGS = '[server]\nport = 0\n[health]\nstuck_after = "1s"\nrestart_after = "{restart_after}"\n'


@pytest.fixture
def served(home: Home) -> Running:
    """Return a daemon that soon calls a worker stuck and ends it when it is told to, with one model and the double."""
    home.configure(SETTINGS.format(restart_after="1h"))
    home.add_model(MODEL)
    return home.launch()


def wait_for_a_step(home: Home, restart_after: str) -> None:
    """Have the daemon end a worker that makes no step for so long."""
    home.configure(SETTINGS.format(restart_after=restart_after))
    assert home.call("POST", routes.RELOAD, {})[0] == 200


def answers(home: Home) -> bool:
    return text_of(ask(home, "olleh").getresponse().read()) == "hello"


def test_readiness_names_the_request_until_its_worker_is_replaced(home: Home, served: Running) -> None:
    waiting = ask(home, "wait").getresponse()
    until(lambda: row(home)["running"] == 1)
    pid = row(home)["pid"]
    os.kill(pid, signal.SIGSTOP)
    until(lambda: home.call("GET", routes.READY)[0] == 503)
    told = home.call("GET", routes.READY)[1]
    assert told["state"] == "stuck"
    [stuck] = told["stuck"]
    assert (stuck["model"], stuck["pid"]) == (MODEL, pid)
    assert stuck["request"] == f"{waiting.headers['x-request-id']}.0"
    assert home.call("GET", routes.HEALTH)[0] == 200
    assert row(home)["state"] == "stuck"
    wait_for_a_step(home, "1s")
    lines = [line for line in waiting.read().decode().splitlines() if line.startswith("data: ")]
    assert json.loads(lines[-1].removeprefix("data: "))["error"]["code"] == "worker_stuck"
    assert sum('"error"' in line for line in lines) == 1
    until(lambda: gone(pid))
    assert home.call("GET", routes.READY)[0] == 200
    assert (row(home)["state"], row(home)["crashes"]) == ("crashed", 1)
    wait_for_a_step(home, "1h")
    assert answers(home)
    assert row(home)["error"] == ""


def test_a_worker_that_goes_on_is_not_replaced(home: Home, served: Running) -> None:
    ask(home, "wait")
    until(lambda: row(home)["running"] == 1)
    pid = row(home)["pid"]
    os.kill(pid, signal.SIGSTOP)
    until(lambda: home.call("GET", routes.READY)[0] == 503)
    os.kill(pid, signal.SIGCONT)
    # The first request waits on, so that a second after each step the worker counts as stuck again.
    until(lambda: answers(home) and home.call("GET", routes.READY)[0] == 200)
    assert row(home)["pid"] == pid


def test_a_whole_answer_gets_a_status_that_invites_another_try(home: Home, served: Running) -> None:
    connection = home.connect()
    body = json.dumps({"model": MODEL, "prompt": "wait"})
    connection.request("POST", routes.COMPLETIONS, body, {"content-type": "application/json"})
    until(lambda: row(home)["running"] == 1)
    os.kill(row(home)["pid"], signal.SIGSTOP)
    wait_for_a_step(home, "1s")
    answer = connection.getresponse()
    assert (answer.status, answer.headers["retry-after"]) == (503, "1")
    assert json.loads(answer.read())["error"]["code"] == "worker_stuck"
