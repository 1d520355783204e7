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
    messages: tuple[dict[str, object], ...]


def text(file: str) -> str:
    """Return the text in `file`, `-` for stdin. Raises OmlxError where there is none."""
    try:
        data = sys.stdin.buffer.read() if file == _STDIN else Path(file).expanduser().read_bytes()
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


def prompt(file: str) -> Prompt:
    """Return the prompt in `file`: a chat where its name ends in `.json`. Raises OmlxError."""
    found = text(file)
    return Prompt(messages=_messages(file, found)) if file.lower().endswith(".json") else Prompt(text=found)


def _messages(file: str, document: str) -> tuple[dict[str, object], ...]:
    try:
        chat = msgspec.json.decode(document, type=_Chat | tuple[dict[str, object], ...])
    except msgspec.DecodeError as error:
        raise OmlxError(
            Code.INVALID_REQUEST, f"{file} is no chat: {error}", 'it holds {"messages": [...]} or the list alone'
        ) from error
    messages = chat.messages if isinstance(chat, _Chat) else chat
    if not messages:
        raise OmlxError(Code.INVALID_REQUEST, f"{file} is no chat: it has no message")
    return messages
