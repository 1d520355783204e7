"""Requests that are listed, cancelled and timed out through the real daemon."""

from __future__ import annotations

import json
from typing import Any

import pytest

from omlx_cli.contract import routes
from tests.daemon.conftest import Home, Running, until
from tests.daemon.test_drain import MODEL, ask, row


@pytest.fixture
def served(home: Home) -> Running:
    """Return a running daemon with models that answer, and that load for ever, whose workers are doubles."""
    for name in (MODEL, "hang-load"):
        home.add_model(name)
    home.configure('[server]\nport = 0\nkeep_alive = "50ms"\n')
    return home.launch()


def live(home: Home) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = home.call("GET", routes.REQUESTS)[1]["requests"]
    return found


def test_a_running_request_is_listed_by_its_id_and_cancelled_by_it(home: Home, served: Running) -> None:
    running = ask(home, "wait").getresponse()
    until(lambda: row(home)["running"] == 1)
    [found] = live(home)
    own = running.headers["x-request-id"]
    assert (found["id"], found["model"], found["client"], found["phase"]) == (f"{own}.0", MODEL, "local", "prefill")
    assert home.call("DELETE", f"{routes.REQUESTS}/{own}")[0] == 200
    answer = running.read().decode()
    assert answer.count('"code":"cancelled"') == 1
    until(lambda: live(home) == [])
    until(lambda: row(home)["state"] == "idle")
    assert home.call("DELETE", f"{routes.REQUESTS}/{own}")[0] == 404
    until(lambda: own in home.paths.daemon_log.read_text())


def test_a_stream_of_a_model_that_loads_is_alive_and_can_be_cancelled(home: Home, served: Running) -> None:
    loading = ask(home, "x", model="hang-load").getresponse()
    assert loading.status == 200
    assert loading.readline().startswith(b": loading ")
    [found] = live(home)
    assert found["phase"] == "loading"
    assert home.call("DELETE", f"{routes.REQUESTS}/{found['id']}")[0] == 200
    assert loading.read().decode().count('"code":"cancelled"') == 1
    assert row(home)["state"] == "loading"


def test_a_model_that_loads_holds_up_no_other(home: Home, served: Running) -> None:
    ask(home, "first").getresponse().read()
    ask(home, "x", model="hang-load")
    until(lambda: len(live(home)) == 1)
    assert b"olleh" in ask(home, "hello").getresponse().read()


def test_a_deadline_passes_while_the_model_loads(home: Home, served: Running) -> None:
    connection = home.connect()
    body = json.dumps({"model": "hang-load", "prompt": "x", "deadline_s": 0.2})
    connection.request("POST", routes.COMPLETIONS, body, {"content-type": "application/json"})
    answer = connection.getresponse()
    assert (answer.status, json.loads(answer.read())["error"]["code"]) == (504, "timeout")


def test_whoever_leaves_while_the_model_loads_is_forgotten(home: Home, served: Running) -> None:
    connection = ask(home, "x", model="hang-load")
    until(lambda: len(live(home)) == 1)
    connection.close()
    until(lambda: live(home) == [])


def test_keep_alive_0_unloads_when_the_answer_is_there(home: Home, served: Running) -> None:
    connection = home.connect()
    body = json.dumps({"model": MODEL, "prompt": "x", "keep_alive": 0})
    connection.request("POST", routes.COMPLETIONS, body, {"content-type": "application/json"})
    assert connection.getresponse().status == 200
    until(lambda: row(home)["pid"] == 0)
