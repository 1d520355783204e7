"""Tokens to text, one at a time: what is joined equals the text of all tokens decoded at once."""

from __future__ import annotations

import codecs
from collections.abc import Callable, Sequence
from typing import Protocol

_INCOMPLETE = "\ufffd"


class Detokenizer(Protocol):
    """The text of one answer as it grows."""

    def add(self, token: int) -> str:
        """Return the text that became certain with `token`; an unfinished character is held back."""
        ...

    def flush(self) -> str:
        """Return what is held back; unfinished characters become U+FFFD."""
        ...


class ByteDetokenizer:
    """For vocabularies whose tokens are runs of bytes."""

    def __init__(self, bytes_of: Callable[[int], bytes]) -> None:
        self._bytes_of = bytes_of
        self._decoder = codecs.getincrementaldecoder("utf-8")("replace")

    def add(self, token: int) -> str:
        """Return the whole characters that `token` completes."""
        return self._decoder.decode(self._bytes_of(token))

    def flush(self) -> str:
        """Return U+FFFD for a character that stayed unfinished."""
        return self._decoder.decode(b"", final=True)


class WindowDetokenizer:
    """For any other vocabulary: decodes a short window of tokens twice and takes the difference."""

    def __init__(self, decode: Callable[[Sequence[int]], str]) -> None:
        self._decode = decode
        self._tokens: list[int] = []
        self._given = 0

    def add(self, token: int) -> str:
        """Return the text after the window's known part, unless it ends in an unfinished character."""
        self._tokens.append(token)
        text = self._decode(self._tokens)
        if text.endswith(_INCOMPLETE):
            return ""
        return self._take(text)

    def flush(self) -> str:
        """Return the rest of the window as it is."""
        return self._take(self._decode(self._tokens))

    def _take(self, text: str) -> str:
        new = text[self._given_characters() :]
        if new:
            # The tokens before a given one stay as its context: a space depends on the neighbour to the left.
            self._tokens = self._tokens[self._given :]
            self._given = len(self._tokens)
        return new

    def _given_characters(self) -> int:
        return len(self._decode(self._tokens[: self._given])) if self._given else 0
