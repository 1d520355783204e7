"""Prompts out of files."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import NamedTuple

import msgspec

from omlx_cli.contract.errors import Code, OmlxError

_STDIN = "-"


class Prompt(NamedTuple):
    """A prompt as text, or as the messages of a chat."""

    text: str = ""
    messages: tuple[dict[str, object], ...] = ()


class _Chat(msgspec.Struct, frozen=True):
    """A chat, or a whole request, of which what follows the messages here would make another prompt."""

    messages: tuple[dict[str, object], ...]
    tools: object = None
    functions: object = None
    chat_template_kwargs: object = None
    reasoning_effort: object = None
    cache_salt: object = None


def archive(file: str) -> str:
    """Return the absolute path of an archive, for the daemon, which lives in another directory. Raises OmlxError."""
    if not file:
        raise OmlxError(Code.INVALID_REQUEST, "the archive's name is empty", "write for example smollm2.kv")
    return str(_path(file).absolute())


def text(file: str) -> str:
    """Return the text in `file`, `-` for stdin. Raises OmlxError where there is none."""
    try:
        data = sys.stdin.buffer.read() if file == _STDIN else _path(file).read_bytes()
        found = data.decode()
    except FileNotFoundError as error:
        raise OmlxError(Code.NOT_FOUND, f"there is no file {file}", "- reads stdin") from error
    except OSError as error:
        raise OmlxError(Code.INVALID_REQUEST, f"{file} cannot be read: {error.strerror or error}") from error
    except UnicodeDecodeError as error:
        raise OmlxError(Code.INVALID_REQUEST, f"{file} is no text: it is not UTF-8") from error
    if not found.strip():
        raise OmlxError(Code.INVALID_REQUEST, f"{file} is empty")
    return found


def _path(file: str) -> Path:
    try:
        return Path(file).expanduser()
    except RuntimeError as error:
        raise OmlxError(Code.NOT_FOUND, f"there is no file {file}: {error}") from error


def prompt(file: str) -> Prompt:
    """Return the prompt in `file`: a chat where its name ends in `.json`. Raises OmlxError."""
    found = text(file)
    return Prompt(messages=_messages(file, found)) if file.lower().endswith(".json") else Prompt(text=found)


def _messages(file: str, document: str) -> tuple[dict[str, object], ...]:
    try:
        chat = msgspec.json.decode(document, type=_Chat | tuple[dict[str, object], ...])
    except (msgspec.DecodeError, RecursionError) as error:
        raise OmlxError(
            Code.INVALID_REQUEST, f"{file} is no chat: {error}", 'it holds {"messages": [...]} or the list alone'
        ) from error
    if isinstance(chat, _Chat):
        _check_alone(file, chat)
    messages = chat.messages if isinstance(chat, _Chat) else chat
    if not messages:
        raise OmlxError(Code.INVALID_REQUEST, f"{file} is no chat: it has no message")
    return messages


def _check_alone(file: str, chat: _Chat) -> None:
    for name in chat.__struct_fields__[1:]:
        if getattr(chat, name):
            raise OmlxError(
                Code.INVALID_REQUEST,
                f"{file} has {name}, which would make another prompt; only messages are read",
                "take it out, or send the request itself with max_tokens 1",
            )
