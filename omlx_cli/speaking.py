"""Asking one model: pulled first where it is missing, answered once or turn by turn."""

from __future__ import annotations

import os
import stat
import sys
from collections.abc import Callable, Mapping, Sequence
from functools import cached_property
from typing import TextIO, TypeVar

from omlx_cli import completion, progress, pulling
from omlx_cli.client import Client
from omlx_cli.completion import Answer, Message, Timings, Usage
from omlx_cli.contract import routes
from omlx_cli.contract.api import LoadBody, Reply, SlotReply
from omlx_cli.contract.errors import Code, OmlxError
from omlx_cli.env import Env

T = TypeVar("T")

_CONTROLS = {
    code: "\N{REPLACEMENT CHARACTER}" for code in (*range(0x20), *range(0x7F, 0xA0)) if chr(code) not in "\t\n"
}
"""A model's words must not steer the terminal."""


class AnswerReply(Reply, frozen=True, kw_only=True):
    """What `omlx run --json` prints."""

    model: str
    text: str
    reasoning: str
    """What the model thought before it answered; empty where it does not reason."""
    finish_reason: str
    usage: Usage
    timings: Timings


class Speaker:
    """One model and how it is asked; `options` go into each request, `ttl` is how long it may stay idle."""

    def __init__(self, env: Env, model: str, options: Mapping[str, object], ttl: str) -> None:
        self.model = model
        self._env = env
        self._options = dict(options)
        self._ttl = ttl

    @cached_property
    def _daemon(self) -> Client:
        return self._env.daemon()

    def load(self) -> None:
        """Load the model, pulled if it is missing. Raises OmlxError."""
        self._present(
            lambda: self._daemon.post(routes.LOAD, LoadBody(model=self.model, ttl=self._ttl), SlotReply, timeout_s=None)
        )

    def answer_once(self, prompt: str, system: str, *, raw: bool, verbose: bool) -> None:
        """Print the answer to `prompt`: streamed, or as one document with `--json`. Raises OmlxError."""
        if self._ttl:
            self.load()

        def ask() -> Answer:
            if raw:
                answer = completion.complete(self._daemon, self.model, prompt, self._options)
            else:
                answer = self.ask([*([Message("system", system)] if system else []), Message("user", prompt)])
            self._print(answer)
            return answer

        answer = self._present(ask)
        if verbose:
            self._env.output.note(summary(answer))

    def ask(self, messages: Sequence[Message]) -> Answer:
        """Return the model's answer to a chat, which is asked for when it is read."""
        return completion.chat(self._daemon, self.model, messages, self._options)

    def stream(self, answer: Answer) -> None:
        """Print an answer as it comes, ended by a newline however it ends; show its reasoning. Raises OmlxError."""
        output, for_terminal = self._env.output, sys.stdout.isatty()
        answer.hear = lambda piece: output.aside(piece.translate(_CONTROLS))
        try:
            for piece in answer:
                if answer.reasoning and piece == answer.text:
                    output.aside("\n\n")
                output.text(piece.translate(_CONTROLS) if for_terminal else piece)
        finally:
            if answer.text and not answer.text.endswith("\n"):
                output.text("\n")
            elif answer.reasoning and not answer.text:
                output.aside("\n")
        if answer.warning:
            output.warn(answer.warning)

    def _print(self, answer: Answer) -> None:
        if not self._env.output.as_json:
            self.stream(answer)
            return
        for _ in answer:
            pass
        self._env.output.document(
            AnswerReply(
                model=self.model,
                text=answer.text,
                reasoning=answer.reasoning,
                finish_reason=answer.finish_reason,
                usage=answer.usage,
                timings=answer.timings(),
            )
        )

    def _present(self, act: Callable[[], T]) -> T:
        """Return what `act` returns; where the model is missing, pull it and act again."""
        try:
            return act()
        except OmlxError as error:
            if error.code is not Code.MODEL_NOT_FOUND:
                raise
        self._pull()
        return act()

    def _pull(self) -> None:
        output = self._env.output
        output.note(f"{self.model} is not here yet, pulling it")
        done = pulling.pull(self._daemon, self.model, "", progress.reporter(output))
        output.note(pulling.outcome(done))
        self.model = done.model.name


def prompt_text(words: Sequence[str], stdin: TextIO) -> str:
    """Return the prompt: the arguments, then what is piped into stdin."""
    parts = [" ".join(words)] if words else []
    if _is_piped(stdin) or (not words and not stdin.isatty()):
        parts.append(stdin.read())
    return "\n\n".join(part for part in parts if part.strip())


def summary(answer: Answer) -> str:
    """Return an answer's times and token counts in one line."""
    times, usage = answer.timings(), answer.usage
    return (
        f"first token {times.first_token_s * 1000:.0f} ms, {times.tokens_per_s:.1f} tokens/s, "
        f"{times.total_s:.2f} s in all; {usage.prompt_tokens} prompt tokens ({usage.cached_tokens} cached), "
        f"{usage.completion_tokens} answer tokens; ended by {answer.finish_reason or 'nothing'}"
    )


def _is_piped(stdin: TextIO) -> bool:
    """Tell whether stdin is a pipe or a file: something that somebody put there to be read."""
    try:
        mode = os.fstat(stdin.fileno()).st_mode
    except (OSError, ValueError):
        return False
    return stat.S_ISFIFO(mode) or stat.S_ISREG(mode)
