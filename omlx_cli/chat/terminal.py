"""The chat on a terminal."""

from __future__ import annotations

from pathlib import Path

from prompt_toolkit import PromptSession
from prompt_toolkit.history import FileHistory
from prompt_toolkit.key_binding import KeyBindings, KeyPressEvent

from omlx_cli.chat.conversation import Conversation, Left, is_command, is_open, unwrap
from omlx_cli.contract.errors import OmlxError
from omlx_cli.contract.paths import FILE_MODE
from omlx_cli.env import Env
from omlx_cli.speaking import Speaker, summary

_PROMPT = ">>> "
_MORE = "... "


def hold(env: Env, speaker: Speaker, system: str, verbose: bool) -> None:
    """Hold a chat until the user leaves it. Raises OmlxError where the model cannot be loaded."""
    speaker.load()
    env.output.note(f"{speaker.model}; /help lists the commands, Ctrl-D leaves")
    chat = _Chat(env, speaker, Conversation(system), verbose)
    session = _session(env.paths.chat_history)
    while True:
        try:
            chat.take(session.prompt(_PROMPT))
        except KeyboardInterrupt:
            env.output.note("Ctrl-D or /exit leaves")
        except (EOFError, Left):
            return


class _Chat:
    def __init__(self, env: Env, speaker: Speaker, conversation: Conversation, verbose: bool) -> None:
        self._output = env.output
        self._speaker = speaker
        self._conversation = conversation
        self._verbose = verbose

    def take(self, text: str) -> None:
        """Obey a command or answer a question; an error is told and the chat goes on. Raises Left."""
        if is_command(text):
            self._output.note(self._conversation.command(text))
        elif question := unwrap(text):
            try:
                self._answer(question)
            except OmlxError as error:
                self._output.error(error.body)

    def _answer(self, question: str) -> None:
        answer = self._speaker.ask(self._conversation.messages(question))
        try:
            self._speaker.stream(answer)
        except KeyboardInterrupt:
            self._output.note("stopped")
        finally:
            self._conversation.keep(question, answer.text)
        if self._verbose:
            self._output.note(summary(answer))


def _session(history: Path) -> PromptSession[str]:
    # The history holds what people typed: made before prompt_toolkit would make it readable for others.
    history.touch(FILE_MODE)
    return PromptSession(
        history=FileHistory(history),
        multiline=True,
        key_bindings=_keys(),
        prompt_continuation=_MORE,
        enable_open_in_editor=False,
    )


def _keys() -> KeyBindings:
    keys = KeyBindings()

    @keys.add("enter")
    def _send(event: KeyPressEvent) -> None:
        buffer = event.current_buffer
        if is_open(buffer.text):
            buffer.insert_text("\n")
        else:
            buffer.validate_and_handle()

    @keys.add("escape", "enter")
    def _new_line(event: KeyPressEvent) -> None:
        event.current_buffer.insert_text("\n")

    return keys
