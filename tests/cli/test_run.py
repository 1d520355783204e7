"""run: one answer to stdout."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import threading
from pathlib import Path

import pytest

from omlx_cli.contract import routes
from omlx_cli.contract.api import ModelInfo, PullDone, PullFailed, SlotInfo, SlotReply, SlotState
from omlx_cli.contract.errors import Code, ErrorBody
from tests.cli.conftest import OMLX, Omlx, omlx_on_a_terminal, omlx_process
from tests.cli.stand_in import BREAK, Canned, StandIn, events, records, reply

CHAT = routes.CHAT_COMPLETIONS
USAGE = {"prompt_tokens": 12, "completion_tokens": 3, "prompt_tokens_details": {"cached_tokens": 4}}
ROW = SlotReply(model=SlotInfo(name="smollm2", state=SlotState.IDLE))
MISSING = reply(
    {"error": {"message": "model 'smollm2' is not here", "type": "not_found_error", "code": "model_not_found"}}, 404
)


def delta(text: str | None, finish: str | None = None) -> dict[str, object]:
    return {"object": "chunk", "choices": [{"index": 0, "delta": {"content": text}, "finish_reason": finish}]}


def answer(*pieces: str) -> Canned:
    last = {"object": "chunk", "choices": [], "usage": USAGE}
    return events(delta(None), *(delta(piece) for piece in pieces), delta(None, "stop"), last)


def test_the_answer_is_stdout_and_nothing_else(daemon: StandIn, omlx: Omlx) -> None:
    daemon.says("POST", CHAT, answer("Blue ", "light", " scatters."))
    ran = omlx("run", "smollm2", "Why is", "the sky blue?")
    assert (ran.code, ran.out, ran.err) == (0, "Blue light scatters.\n", "")
    assert daemon.asked(CHAT) == [
        {
            "model": "smollm2",
            "messages": [{"role": "user", "content": "Why is the sky blue?"}],
            "stream": True,
            "stream_options": {"include_usage": True},
        }
    ]


@pytest.mark.parametrize(
    ("pieces", "out"), [(("a\n",), "a\n"), (("a\n", "\n"), "a\n\n"), ((), ""), (("é", "✓"), "é✓\n")]
)
def test_one_newline_at_the_end_and_none_to_spare(
    daemon: StandIn, omlx: Omlx, pieces: tuple[str, ...], out: str
) -> None:
    daemon.says("POST", CHAT, answer(*pieces))
    assert omlx("run", "smollm2", "x").out == out


def test_every_option_goes_into_the_request(daemon: StandIn, omlx: Omlx) -> None:
    daemon.says("POST", CHAT, answer("ok"))
    words = [
        "--temperature",
        "0",
        "--top-p",
        "0.9",
        "--top-k",
        "40",
        "--min-p",
        "0.05",
        "--max-tokens",
        "7",
        "--seed",
        "1",
        "--stop",
        "A",
        "--stop",
        "B",
    ]
    assert omlx("run", *words, "--system", "Be brief.", "smollm2", "x").code == 0
    (body,) = daemon.asked(CHAT)
    assert isinstance(body, dict)
    assert body["messages"][0] == {"role": "system", "content": "Be brief."}
    assert {name: body[name] for name in body if name not in ("messages", "stream", "stream_options", "model")} == {
        "temperature": 0, "top_p": 0.9, "top_k": 40, "min_p": 0.05, "max_tokens": 7, "seed": 1, "stop": ["A", "B"],
    }  # fmt: skip


def test_the_answer_streams(daemon: StandIn) -> None:
    passed = threading.Semaphore(2)
    daemon.says("POST", CHAT, Canned(answer("one", " two").body, gate=lambda _: passed.acquire(timeout=60)))
    process = subprocess.Popen([*OMLX, "run", "smollm2", "x"], stdout=subprocess.PIPE, stdin=subprocess.DEVNULL)
    assert process.stdout is not None
    assert os.read(process.stdout.fileno(), 100) == b"one"
    passed.release(10)
    assert process.communicate(timeout=60)[0] == b" two\n"


def test_stdin_is_the_prompt_or_follows_it(daemon: StandIn) -> None:
    daemon.says("POST", CHAT, answer("ok"))
    assert omlx_process("run", "smollm2", stdin="from a pipe\n").out == "ok\n"
    assert omlx_process("run", "smollm2", "Summarise this", stdin="notes\n").out == "ok\n"
    assert omlx_process("run", "smollm2", "alone").out == "ok\n"
    assert omlx_process("run", "smollm2", "alone", stdin="").out == "ok\n"
    prompts = [body["messages"][0]["content"] for body in daemon.asked(CHAT) if isinstance(body, dict)]
    assert prompts == ["from a pipe\n", "Summarise this\n\nnotes\n", "alone", "alone"]
    ran = omlx_process("run", "smollm2", stdin="  \n")
    assert (ran.code, ran.err.splitlines()[0]) == (2, "error: there is no prompt; give one as an argument or on stdin")


def test_the_default_model_is_the_configured_one(daemon: StandIn, omlx_home: Path) -> None:
    (omlx_home / "config.toml").write_text('[model]\ndefault = "mine"\n')
    daemon.says("POST", CHAT, answer("ok"))
    assert omlx_process("run", stdin="x").out == "ok\n"
    assert [body["model"] for body in daemon.asked(CHAT) if isinstance(body, dict)] == ["mine"]


def test_json_is_one_document(daemon: StandIn, omlx: Omlx) -> None:
    daemon.says("POST", CHAT, answer("Blue", " light"))
    ran = omlx("run", "smollm2", "x", "--json")
    document = json.loads(ran.out)
    timings = document.pop("timings")
    assert document == {
        "schema_version": 1,
        "model": "smollm2",
        "text": "Blue light",
        "reasoning": "",
        "finish_reason": "stop",
        "usage": USAGE,
    }
    assert timings["total_s"] >= timings["first_token_s"] > 0


def test_verbose_tells_times_and_counts_on_stderr(daemon: StandIn, omlx: Omlx) -> None:
    daemon.says("POST", CHAT, answer("a", "b"))
    ran = omlx("run", "smollm2", "x", "-v")
    assert ran.out == "ab\n"
    assert re.fullmatch(
        r"first token \d+ ms, [\d.]+ tokens/s, [\d.]+ s in all; "
        r"12 prompt tokens \(4 cached\), 3 answer tokens; ended by stop\n",
        ran.err,
    )


def test_raw_takes_no_template(daemon: StandIn, omlx: Omlx) -> None:
    chunk = {"choices": [{"index": 0, "text": " upon a time", "finish_reason": "length"}]}
    daemon.says("POST", routes.COMPLETIONS, events(chunk))
    ran = omlx("run", "--raw", "smollm2", "Once")
    assert (ran.code, ran.out) == (0, " upon a time\n")
    (body,) = daemon.asked(routes.COMPLETIONS)
    assert isinstance(body, dict)
    assert body["prompt"] == "Once"


def test_a_missing_model_is_pulled_first(daemon: StandIn, omlx: Omlx) -> None:
    model = ModelInfo(name="smollm2:135m", source="omlx", path="/m", size_bytes=98_400_000)
    daemon.says("POST", CHAT, MISSING, answer("hello"))
    daemon.says("POST", routes.PULL, records(PullDone(model=model)))
    ran = omlx("run", "smollm2", "x")
    assert (ran.code, ran.out) == (0, "hello\n")
    assert ran.err == "smollm2 is not here yet, pulling it\npulled smollm2:135m (98.4 MB)\n"
    assert [body["model"] for body in daemon.asked(CHAT) if isinstance(body, dict)] == ["smollm2", "smollm2:135m"]


def test_a_model_that_nobody_has(daemon: StandIn, omlx: Omlx) -> None:
    body = ErrorBody(code=Code.MODEL_NOT_FOUND, message="there is no model 'smolm'", hint="did you mean smollm2?")
    daemon.says("POST", CHAT, MISSING)
    daemon.says("POST", routes.PULL, records(PullFailed(error=body)))
    ran = omlx("run", "-q", "smolm", "x")
    assert (ran.code, ran.out) == (3, "")
    assert ran.err == "error: there is no model 'smolm'\nhint: did you mean smollm2?\n"


def test_an_error_in_the_middle_keeps_what_was_said(daemon: StandIn, omlx: Omlx) -> None:
    failed = {"error": {"message": "the worker of smollm2 ended", "type": "server_error", "code": "worker_crashed"}}
    daemon.says("POST", CHAT, events(delta("Blue "), failed))
    ran = omlx("run", "smollm2", "x")
    assert (ran.code, ran.out, ran.err) == (1, "Blue \n", "error: the worker of smollm2 ended\n")


@pytest.mark.parametrize("tail", [[BREAK], [b"data: [D"]])
def test_a_stream_without_its_end_is_an_error(daemon: StandIn, omlx: Omlx, tail: list[bytes]) -> None:
    whole = events(delta("Blue"), end=False).body
    assert isinstance(whole, list)
    daemon.says("POST", CHAT, Canned([*whole, *tail], content_type="text/event-stream"))
    ran = omlx("run", "smollm2", "x")
    assert (ran.code, ran.out) in ((4, "Blue\n"), (1, "Blue\n"))
    assert ran.err.startswith("error: the ")


def test_keep_alive_comments_are_no_text(daemon: StandIn, omlx: Omlx) -> None:
    chunks = events(delta("a")).body
    assert isinstance(chunks, list)
    daemon.says("POST", CHAT, Canned([b": keep-alive\n\n", *chunks], content_type="text/event-stream"))
    assert omlx("run", "smollm2", "x").out == "a\n"


def test_a_ttl_is_set_by_loading_first(daemon: StandIn, omlx: Omlx) -> None:
    daemon.says("POST", routes.LOAD, reply(ROW))
    daemon.says("POST", CHAT, answer("a"))
    assert omlx("run", "--ttl", "never", "smollm2", "x").out == "a\n"
    assert daemon.asked(routes.LOAD) == [{"model": "smollm2", "ttl": "never"}]


def test_keep_alive_goes_with_each_request(daemon: StandIn, omlx: Omlx) -> None:
    daemon.says("POST", CHAT, answer("a"))
    assert omlx("run", "--keep-alive", "-1", "smollm2", "x").out == "a\n"
    [body] = daemon.asked(CHAT)
    assert isinstance(body, dict)
    assert body["keep_alive"] == "never"


def test_ctrl_c_stops_the_answer_in_130(daemon: StandIn) -> None:
    release = threading.Event()
    stuck = Canned(answer("one", " two").body, gate=lambda index: release.wait(60) if index == 2 else None)
    daemon.says("POST", CHAT, stuck)
    process = subprocess.Popen(
        [*OMLX, "run", "smollm2", "x"], stdout=subprocess.PIPE, stderr=subprocess.PIPE, stdin=subprocess.DEVNULL
    )
    assert process.stdout is not None
    assert os.read(process.stdout.fileno(), 100) == b"one"
    process.send_signal(signal.SIGINT)
    out, err = process.communicate(timeout=60)
    release.set()
    assert (process.returncode, out, err) == (130, b"\n", b"")


def test_a_model_cannot_steer_the_terminal(daemon: StandIn) -> None:
    daemon.says("POST", CHAT, answer("a\x1b[2Jb\x9bc\td"))
    terminal = omlx_on_a_terminal("run", "smollm2", "x")
    assert terminal.read() == "a\N{REPLACEMENT CHARACTER}[2Jb\N{REPLACEMENT CHARACTER}c\td\r\n"
    terminal.close()
    assert omlx_process("run", "smollm2", "x").out == "a\x1b[2Jb\x9bc\td\n"


def thinking(*thoughts: str, text: str = "Blue.", warning: str = "") -> Canned:
    last = delta(None, "stop")
    if warning:
        last = {"choices": [{"index": 0, "delta": {"warning": warning}, "finish_reason": "stop"}]}
    thought = [{"choices": [{"index": 0, "delta": {"reasoning_content": one}}]} for one in thoughts]
    return events(*thought, delta(text), last)


def test_reasoning_is_no_data(daemon: StandIn, omlx: Omlx) -> None:
    daemon.says("POST", CHAT, thinking("The sky", " again."))
    ran = omlx("run", "smollm2", "x")
    assert (ran.out, ran.err) == ("Blue.\n", "")
    daemon.says("POST", CHAT, thinking("The sky", " again."))
    found = json.loads(omlx("run", "smollm2", "x", "--json").out)
    assert (found["text"], found["reasoning"]) == ("Blue.", "The sky again.")


def test_a_terminal_shows_reasoning_dimmed_before_the_answer(daemon: StandIn) -> None:
    daemon.says("POST", CHAT, thinking("The sky\x1b[2J", " again."))
    terminal = omlx_on_a_terminal("run", "smollm2", "x")
    terminal.expect_exact("The sky\N{REPLACEMENT CHARACTER}[2J")
    terminal.expect(r" again\..*\r\n\r\n.*Blue\.\r\n")
    terminal.close()


def test_a_warning_of_the_answer_is_told(daemon: StandIn, omlx: Omlx) -> None:
    daemon.says("POST", CHAT, thinking(warning="a tool call was not understood"))
    ran = omlx("run", "smollm2", "x")
    assert (ran.code, ran.out, ran.err) == (0, "Blue.\n", "warning: a tool call was not understood\n")
