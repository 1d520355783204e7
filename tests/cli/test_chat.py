"""The interactive chat, in a real pty."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from typing import Any

import pexpect
import pytest

from omlx_cli.chat.conversation import Conversation, Left, is_command, is_open, unwrap
from omlx_cli.completion import Message
from omlx_cli.contract import routes
from omlx_cli.contract.errors import Code
from omlx_cli.contract.paths import Paths
from tests.cli.conftest import omlx_on_a_terminal
from tests.cli.stand_in import Canned, StandIn, refusal, reply
from tests.cli.test_run import CHAT, ROW, answer
from tests.waiting import wait_until

UP = "\x1b[A"


@pytest.fixture
def chat(daemon: StandIn) -> Iterator[Any]:
    """Return a chat that waits for its first line."""
    daemon.says("POST", routes.LOAD, reply(ROW))
    daemon.says("POST", CHAT, answer("Blue ", "light."))
    terminal = omlx_on_a_terminal("run", "smollm2")
    terminal.expect_exact("smollm2; /help lists the commands, Ctrl-D leaves")
    terminal.expect_exact(">>>")
    yield terminal
    terminal.close(force=True)


def leave(chat: Any) -> int:
    # Ctrl-D counts at the prompt alone: typed before that is there, it is no key.
    chat.expect_exact(">>>")
    chat.send("\x04")
    chat.expect(pexpect.EOF)
    chat.close()
    code: int = chat.exitstatus
    return code


def asked(daemon: StandIn, count: int) -> list[list[dict[str, str]]]:
    """Return the chats of the first `count` requests, once they have come."""
    wait_until(lambda: len(daemon.asked(CHAT)) >= count)
    return [body["messages"] for body in daemon.asked(CHAT) if isinstance(body, dict)]


def test_a_chat_remembers_its_turns(chat: Any, daemon: StandIn) -> None:
    chat.send("Why?\r")
    chat.expect_exact("Blue light.")
    chat.send("And then?\r")
    chat.expect_exact("Blue light.")
    assert asked(daemon, 2) == [
        [{"role": "user", "content": "Why?"}],
        [
            {"role": "user", "content": "Why?"},
            {"role": "assistant", "content": "Blue light."},
            {"role": "user", "content": "And then?"},
        ],
    ]
    assert leave(chat) == 0


def test_slash_commands(chat: Any, daemon: StandIn) -> None:
    chat.send("/help\r")
    chat.expect_exact("Ctrl-C stops the answer, not the chat.")
    chat.send("/system Be brief.\r")
    chat.expect_exact("the instructions are set")
    chat.send("/clera\r")
    chat.expect_exact("there is no /clera; did you mean /clear?")
    chat.send("hi\r")
    chat.expect_exact("Blue light.")
    chat.send("/clear\r")
    chat.expect_exact("the chat is forgotten")
    chat.send("again\r")
    chat.expect_exact("Blue light.")
    head = {"role": "system", "content": "Be brief."}
    assert asked(daemon, 2) == [
        [head, {"role": "user", "content": "hi"}],
        [head, {"role": "user", "content": "again"}],
    ]
    chat.send("/bye\r")
    chat.expect(pexpect.EOF)
    chat.close()
    assert chat.exitstatus == 0


def test_ctrl_c_stops_the_answer_and_not_the_chat(chat: Any, daemon: StandIn) -> None:
    release = threading.Event()
    stuck = Canned(answer("Blue ", "light.").body, gate=lambda index: release.wait(60) if index == 2 else None)
    daemon.says("POST", CHAT, stuck, answer("Green."))
    chat.send("Why?\r")
    chat.expect_exact("Blue ")
    chat.sendintr()
    chat.expect_exact("stopped")
    release.set()
    chat.expect_exact(">>>")
    chat.send("Go on\r")
    chat.expect_exact("Green.")
    assert asked(daemon, 2)[1] == [
        {"role": "user", "content": "Why?"},
        {"role": "assistant", "content": "Blue "},
        {"role": "user", "content": "Go on"},
    ]
    assert leave(chat) == 0


def test_ctrl_c_at_the_prompt_drops_the_line(chat: Any, daemon: StandIn) -> None:
    chat.send("half a thou")
    chat.sendintr()
    chat.expect_exact("Ctrl-D or /exit leaves")
    chat.expect_exact(">>>")
    chat.send("whole\r")
    chat.expect_exact("Blue light.")
    assert asked(daemon, 1) == [[{"role": "user", "content": "whole"}]]
    assert leave(chat) == 0


def test_an_error_does_not_end_the_chat(chat: Any, daemon: StandIn) -> None:
    daemon.says("POST", CHAT, refusal(Code.QUEUE_FULL, "512 requests wait", "try again", 503), answer("Green."))
    chat.send("Why?\r")
    chat.expect_exact("error: 512 requests wait")
    chat.expect_exact("hint: try again")
    chat.send("Why?\r")
    chat.expect_exact("Green.")
    assert asked(daemon, 2)[1] == [{"role": "user", "content": "Why?"}]
    assert leave(chat) == 0


@pytest.mark.parametrize(
    ("keys", "text"),
    [
        ('"""\rone\rtwo"""\r', "one\ntwo"),
        ("one\\\rtwo\r", "one\ntwo"),
        ("one\x1b\rtwo\r", "one\ntwo"),
        ("\x1b[200~one\ntwo\x1b[201~\r", "one\ntwo"),
        ("/etc/passwd is a file\r", "/etc/passwd is a file"),
        ("größe ✓\r", "größe ✓"),
    ],
)
def test_what_is_typed_is_what_is_asked(chat: Any, daemon: StandIn, keys: str, text: str) -> None:
    chat.send(keys)
    assert asked(daemon, 1) == [[{"role": "user", "content": text}]]
    chat.expect_exact("Blue light.")
    assert leave(chat) == 0


def test_the_history_is_kept_for_the_next_chat_and_for_nobody_else(chat: Any, daemon: StandIn, paths: Paths) -> None:
    chat.send("a question to keep\r")
    chat.expect_exact("Blue light.")
    assert leave(chat) == 0
    assert paths.chat_history.stat().st_mode & 0o777 == 0o600
    again = omlx_on_a_terminal("run", "smollm2", "-v")
    again.expect_exact(">>>")
    again.send(f"{UP}\r")
    again.expect_exact("first token")
    assert asked(daemon, 2)[1] == [{"role": "user", "content": "a question to keep"}]
    assert leave(again) == 0


def test_a_model_that_cannot_be_loaded_ends_it_at_once(daemon: StandIn) -> None:
    daemon.says("POST", routes.LOAD, refusal(Code.LOAD_FAILED, "the weights are damaged", "pull it again", 500))
    terminal = omlx_on_a_terminal("run", "smollm2")
    terminal.expect_exact("error: the weights are damaged")
    terminal.expect(pexpect.EOF)
    terminal.close()
    assert terminal.exitstatus == 1


def test_conversation_keeps_no_turn_without_an_answer() -> None:
    conversation = Conversation()
    conversation.keep("lost", "")
    conversation.keep("kept", "yes")
    assert conversation.messages("next") == [
        Message("user", "kept"),
        Message("assistant", "yes"),
        Message("user", "next"),
    ]
    assert conversation.command("/system") == "there are no instructions"
    with pytest.raises(Left):
        conversation.command("/exit")


@pytest.mark.parametrize(
    ("text", "command", "open_", "meant"),
    [
        ("hello", False, False, "hello"),
        ("/help", True, False, "/help"),
        (" /clear ", True, False, "/clear"),
        ("/usr/bin/env", False, False, "/usr/bin/env"),
        ('"""a', False, True, "a"),
        ('"""a\nb"""', False, False, "a\nb"),
        ("a\\", False, True, "a\\"),
        ("a\\\nb", False, False, "a\nb"),
        ("  ", False, False, ""),
    ],
)
def test_the_marks_that_hold_lines_together(text: str, command: bool, open_: bool, meant: str) -> None:
    assert (is_command(text), is_open(text), unwrap(text)) == (command, open_, meant)
