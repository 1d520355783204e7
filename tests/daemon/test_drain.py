"""How a daemon ends: requests finish, workers go, and nothing is left."""

from __future__ import annotations

import http.client
import json
import signal
from pathlib import Path
from typing import Any

import psutil
import pytest

from tests.daemon.conftest import Home, Running, until

MODEL = "echo"


@pytest.fixture
def served(home: Home) -> Running:
    """Return a running daemon with one model, whose worker is the double."""
    home.add_model(MODEL)
    return home.launch()


def ask(home: Home, prompt: str, model: str = MODEL) -> http.client.HTTPConnection:
    connection = home.connect()
    body = json.dumps({"model": model, "prompt": prompt, "stream": True})
    connection.request("POST", "/v1/completions", body, {"content-type": "application/json"})
    return connection


def text_of(answer: bytes) -> str:
    events = [line[6:] for line in answer.decode().splitlines() if line.startswith("data: {")]
    return "".join(choice["text"] for event in events for choice in json.loads(event).get("choices", []))


def row(home: Home) -> dict[str, Any]:
    models = home.call("GET", "/omlx/v1/ps")[1]["models"]
    found: dict[str, Any] = models[0] if models else {"running": 0, "state": "", "pid": 0}
    return found


def gone(pid: int) -> bool:
    try:
        return psutil.Process(pid).status() == psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return True


def test_a_running_request_finishes_while_new_ones_are_refused(home: Home, served: Running, tmp_path: Path) -> None:
    sign = tmp_path / "go"
    running = ask(home, f"until:{sign}")
    until(lambda: row(home)["running"] == 1)
    worker = row(home)["pid"]
    served.process.terminate()
    until(lambda: home.call("GET", "/health")[1]["state"] == "draining")
    assert home.call("GET", "/health/ready")[0] == 503
    late = ask(home, "late").getresponse()
    assert late.status == 503
    assert late.headers["retry-after"]
    assert json.loads(late.read())["error"]["code"] == "shutting_down"
    sign.touch()
    assert text_of(running.getresponse().read()) == "half whole"
    assert served.wait() == (0, "")
    assert gone(worker)
    assert not home.paths.socket.exists()


def test_a_second_signal_ends_it_now(home: Home, served: Running) -> None:
    running = ask(home, "wait")
    until(lambda: row(home)["running"] == 1)
    worker = row(home)["pid"]
    served.process.terminate()
    until(lambda: home.call("GET", "/health")[1]["state"] == "draining")
    served.process.terminate()
    answer = running.getresponse().read()
    assert b"shutting_down" in answer
    assert served.wait() == (0, "")
    assert gone(worker)


def test_the_deadline_ends_what_does_not_finish(home: Home) -> None:
    home.configure('[server]\nport = 0\n[daemon]\nstop_timeout = "100ms"\n')
    home.add_model(MODEL)
    served = home.launch()
    running = ask(home, "wait")
    until(lambda: row(home)["running"] == 1)
    served.process.terminate()
    assert b"shutting_down" in running.getresponse().read()
    assert served.wait() == (0, "")


def test_shutdown_by_request_and_twice_is_still_graceful(home: Home, served: Running, tmp_path: Path) -> None:
    sign = tmp_path / "go"
    running = ask(home, f"until:{sign}")
    until(lambda: row(home)["running"] == 1)
    for _ in range(2):
        assert home.call("POST", "/omlx/v1/shutdown", {})[0] == 202
    assert row(home)["running"] == 1
    sign.touch()
    assert text_of(running.getresponse().read()) == "half whole"
    assert served.wait() == (0, "")


def test_no_worker_survives_a_killed_daemon(home: Home, served: Running) -> None:
    ask(home, "wait")
    until(lambda: row(home)["running"] == 1)
    worker = row(home)["pid"]
    served.process.kill()
    served.process.wait(30)
    until(lambda: gone(worker))


def test_a_killed_worker_hurts_its_requests_alone(home: Home, served: Running) -> None:
    running = ask(home, "wait")
    until(lambda: row(home)["running"] == 1)
    psutil.Process(row(home)["pid"]).send_signal(signal.SIGKILL)
    answer = running.getresponse().read()
    assert b"worker_crashed" in answer
    assert b"SIGKILL" in answer
    assert row(home)["state"] == "crashed"
    assert text_of(ask(home, "olleh").getresponse().read()) == "hello"
    assert row(home)["state"] == "idle"


def test_a_client_that_leaves_frees_the_model(home: Home, served: Running) -> None:
    running = ask(home, "wait")
    until(lambda: row(home)["running"] == 1)
    assert running.sock is not None
    running.sock.close()
    running.close()
    until(lambda: row(home)["state"] == "idle")


def test_load_pin_unload_over_the_control_routes(home: Home, served: Running) -> None:
    status, loaded = home.call("POST", "/omlx/v1/models/load", {"model": MODEL, "ttl": "never"})
    assert status == 200
    assert loaded["model"]["state"] == "idle"
    assert loaded["model"]["ttl_s"] is None
    assert home.call("POST", "/omlx/v1/models/pin", {"model": MODEL})[0] == 200
    status, refusal = home.call("POST", "/omlx/v1/models/unload", {"model": MODEL})
    assert (status, refusal["error"]["code"]) == (409, "pinned")
    served.process.terminate()
    assert served.wait() == (0, "")
    home.launch()
    until(lambda: row(home)["state"] == "idle")
    assert row(home)["pinned"]
    assert home.call("POST", "/omlx/v1/models/unload", {"model": MODEL, "force": True})[0] == 200
    assert row(home)["pid"] == 0
