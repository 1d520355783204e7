"""What the real daemon logs of requests: an entry for each end, under the id that the client was given."""

from __future__ import annotations

from pathlib import Path

import pytest

from omlx_cli.contract import logline, routes
from omlx_cli.contract.logline import Entry
from tests.cli.conftest import Omlx, omlx
from tests.daemon.conftest import Home, Running, home, until
from tests.daemon.test_drain import MODEL, ask, row

__all__ = ["home", "omlx"]


@pytest.fixture
def served(home: Home) -> Running:
    """Return a running daemon with a model that answers, and one that cannot be loaded."""
    for name in (MODEL, "fail-load"):
        home.add_model(name)
    return home.launch()


def entries(log: Path) -> list[Entry]:
    """Return every entry that is whole; a line below one fails the test."""
    found = [logline.parse(line) for line in log.read_text().rpartition("\n")[0].splitlines()]
    assert None not in found
    return [entry for entry in found if entry is not None]


def of(home: Home, request: str) -> list[tuple[str, str, str]]:
    """Return level, source and message of what concerns a request."""
    return [
        (entry.level, entry.source, entry.message)
        for entry in entries(home.paths.daemon_log)
        if entry.request.startswith(request)
    ]


def test_an_answer_is_one_entry(home: Home, served: Running) -> None:
    answer = ask(home, "hello").getresponse()
    answer.read()
    until(lambda: of(home, answer.headers["x-request-id"]))
    [(level, source, message)] = of(home, answer.headers["x-request-id"])
    assert (level, source) == ("info", "pool.request_log")
    assert message.startswith(f"{MODEL}: prompt 1 tokens (none reused), answer 1; first token after ")
    assert message.endswith(" in all, ended by stop")
    assert "hello" not in home.paths.daemon_log.read_text()


def test_what_a_worker_says_of_a_request_is_found_with_the_rest(home: Home, served: Running, omlx: Omlx) -> None:
    answer = ask(home, "complain").getresponse()
    answer.read()
    own = answer.headers["x-request-id"]
    until(lambda: len(omlx("logs", "--request", own).out.splitlines()) == 3)
    complaint, below = omlx("logs", "--request", own, "--level", "error").out.splitlines()
    (end,) = set(omlx("logs", "--request", own).out.splitlines()) - {complaint, below}
    pid = home.call("GET", routes.PS)[1]["models"][0]["pid"]
    assert complaint.endswith(f" ERROR   worker.double [{own}.0]: [{MODEL} {pid}] it went wrong")
    assert below == "  badly"
    assert f" INFO    pool.request_log [{own}.0]: {MODEL}: prompt " in end


def test_a_refusal_is_found_under_the_id_that_the_client_sees(home: Home, served: Running) -> None:
    answer = ask(home, "x", model="no-such\nmodel\x1b[2J").getresponse()
    answer.read()
    until(lambda: of(home, answer.headers["x-request-id"]))
    [(level, source, message)] = of(home, answer.headers["x-request-id"])
    assert (answer.status, level, source) == (404, "info", "api.errors")
    assert message == f"POST {routes.COMPLETIONS}: HTTP 404, model 'no-such\\nmodel\\x1b[2J' is not here"


def test_a_cancelled_request_says_so(home: Home, served: Running) -> None:
    running = ask(home, "wait").getresponse()
    until(lambda: row(home)["running"] == 1)
    own = running.headers["x-request-id"]
    home.call("DELETE", f"{routes.REQUESTS}/{own}")
    running.read()
    until(lambda: of(home, own))
    [(level, _, message)] = of(home, own)
    assert level == "info"
    assert message.startswith(f"{MODEL}: the request was cancelled by command after ")


def test_a_failed_load_is_a_warning_of_the_request(home: Home, served: Running) -> None:
    answer = ask(home, "x", model="fail-load").getresponse()
    answer.read()
    own = answer.headers["x-request-id"]
    until(lambda: any("no such layers" in message for _, _, message in of(home, own)))


def test_a_client_that_leaves_is_an_entry(home: Home, served: Running) -> None:
    connection = ask(home, "wait")
    answer = connection.getresponse()
    own = answer.headers["x-request-id"]
    until(lambda: row(home)["running"] == 1)
    answer.close()
    connection.close()
    until(lambda: of(home, own))
    assert of(home, own)[0][2].startswith(f"{MODEL}: the client left after ")
