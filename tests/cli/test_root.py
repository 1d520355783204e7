"""The root: help, version, usage errors, and how every other error ends."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import threading
from importlib import import_module
from typing import Never

import pytest

from omlx_cli import __version__, cli
from omlx_cli.contract import routes
from omlx_cli.contract.errors import Code
from tests.cli.conftest import OMLX, Omlx, omlx_process
from tests.cli.stand_in import Canned, StandIn, refusal


def test_help_names_every_command_and_every_exit_code(omlx: Omlx) -> None:
    for words in ((), ("--help",), ("-h",)):
        ran = omlx(*words)
        assert (ran.code, ran.err) == (0, "")
        for name, summary in cli.COMMANDS.items():
            assert f"  {name.ljust(10)}  {summary}\n" in ran.out
        assert "4 daemon not running or unreachable" in ran.out


@pytest.mark.parametrize("name", cli.COMMANDS)
def test_every_command_has_help_with_examples_and_takes_json(name: str, omlx: Omlx) -> None:
    ran = omlx(name, "--help")
    assert ran.code == 0
    assert f"omlx {name}" in ran.out.split("Examples:")[1]
    nested = getattr(import_module(f"omlx_cli.commands.{name}").command, "commands", {})
    for words in [[name, child] for child in nested] or [[name]]:
        assert "--json" in omlx(*words, "--help").out


def test_version(omlx: Omlx) -> None:
    assert omlx("--version").out == f"omlx {__version__}\n"


def test_an_unknown_command_is_refused_with_the_nearest(omlx: Omlx) -> None:
    ran = omlx("stauts")
    assert ran.code == 2
    assert ran.out == ""
    assert ran.err == "error: there is no command 'stauts'; did you mean status?\nhint: omlx --help  tells more\n"


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (("load",), "missing argument 'MODEL'"),
        (("ps", "--wide"), "no such option '--wide'"),
        (("logs", "-n", "many"), "invalid value for '-n' / '--lines': 'many' is not a valid integer range"),
        (("load", "a", "--ttl", "5"), "invalid value for '--ttl': '5' is not a duration; write for example 30s"),
        (("run", "a", "b", "--temperature", "9"), "invalid value for '-t' / '--temperature': 9"),
        (("run", "a"), "there is no prompt; give one as an argument or on stdin"),
        (("run", "a", "b", "--raw", "--system", "c"), "--raw takes no --system"),
        (("rm",), "missing argument 'MODEL...'"),
        (("config", "gett"), "no such command 'gett'"),
    ],
)
def test_usage_errors_end_in_2_with_one_line_and_a_hint(words: tuple[str, ...], message: str) -> None:
    ran = omlx_process(*words, OMLX_HOME="/nonexistent/home")
    assert ran.code == 2
    assert ran.out == ""
    assert ran.err.startswith(f"error: {message}")
    assert ran.err.count("\n") == 2
    assert ran.err.splitlines()[1].startswith("hint: ")


def test_usage_errors_are_json_where_json_was_asked_for(omlx: Omlx) -> None:
    for words in (("load", "--json"), ("--json", "load")):
        ran = omlx(*words)
        assert ran.code == 2
        assert json.loads(ran.err) == {
            "error": {
                "code": "invalid_request",
                "message": "missing argument 'MODEL'",
                "hint": "omlx load --help  tells more",
            }
        }


def test_what_follows_two_dashes_is_no_option(daemon: StandIn, omlx: Omlx) -> None:
    daemon.says("POST", routes.LOAD, refusal(Code.MODEL_NOT_FOUND, "model '--json' is not here", status=404))
    ran = omlx("load", "--", "--json")
    assert (ran.code, ran.err) == (3, "error: model '--json' is not here\n")


@pytest.mark.parametrize(
    ("code", "status", "exit_code"),
    [
        (Code.MODEL_NOT_FOUND, 404, 3),
        (Code.IN_USE, 409, 6),
        (Code.PINNED, 409, 6),
        (Code.INSUFFICIENT_MEMORY, 507, 6),
        (Code.SHUTTING_DOWN, 503, 4),
        (Code.NOT_READY, 503, 5),
        (Code.LOAD_FAILED, 500, 1),
        (Code.INVALID_REQUEST, 400, 2),
    ],
)
def test_the_daemons_errors_become_exit_codes(
    daemon: StandIn, omlx: Omlx, code: Code, status: int, exit_code: int
) -> None:
    daemon.says("POST", routes.LOAD, refusal(code, "it will not do", "try less", status))
    ran = omlx("load", "smollm2")
    assert (ran.code, ran.out, ran.err) == (exit_code, "", "error: it will not do\nhint: try less\n")
    ran = omlx("load", "smollm2", "--json")
    assert ran.code == exit_code
    assert json.loads(ran.err) == {"error": {"code": code.value, "message": "it will not do", "hint": "try less"}}


def test_an_error_of_ours_is_one_line_without_a_traceback(
    daemon: StandIn, omlx: Omlx, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(_self: object, _route: str, _kind: object) -> Never:
        raise ZeroDivisionError("a bug")

    monkeypatch.setattr("omlx_cli.client.Client.get", fail)
    ran = omlx("ls")
    assert ran.code == 1
    assert ran.err == ("error: internal: ZeroDivisionError: a bug\nhint: set OMLX_DEBUG=1 to see where; omlx logs\n")
    monkeypatch.setenv("OMLX_DEBUG", "1")
    assert "Traceback" in omlx("ls").err


def test_a_closed_pipe_ends_in_141_without_a_word(daemon: StandIn) -> None:
    for words in (["ps"], ["ps", "--json"], ["status"], ["--help"]):
        reader, writer = os.pipe()
        os.close(reader)
        done = subprocess.run([*OMLX, *words], stdout=writer, stderr=subprocess.PIPE, timeout=60, check=False)
        os.close(writer)
        assert (done.returncode, done.stderr) == (141, b""), words


@pytest.mark.parametrize("words", [("ps",), ("ps", "--json"), ("load", "smollm2")])
def test_ctrl_c_ends_in_130_without_a_word(daemon: StandIn, words: tuple[str, ...]) -> None:
    route = routes.LOAD if words[0] == "load" else routes.PS
    release = threading.Event()
    daemon.says("POST" if route == routes.LOAD else "GET", route, Canned(b"{}", gate=lambda _: release.wait(60)))
    process = subprocess.Popen([*OMLX, *words], stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    daemon.wait_for(route)
    process.send_signal(signal.SIGINT)
    out, err = process.communicate(timeout=60)
    release.set()
    assert (process.returncode, out, err) == (130, b"", b"")
