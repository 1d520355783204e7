"""What an answer is split into."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum
from typing import Protocol


class Kind(Enum):
    """What a stretch of an answer is."""

    TEXT = "text"
    REASONING = "reasoning"
    CALL = "call"


@dataclass(frozen=True, slots=True)
class Segment:
    """A stretch of an answer: `text` is what is given of it, `size` the characters that it took of the answer.

    Markers take characters and give none. Sizes of all segments add up to the answer.
    """

    kind: Kind
    text: str = ""
    """Visible text, reasoning, or a piece of a call's arguments."""
    size: int = 0
    index: int = 0
    """The call's place among the answer's calls."""
    name: str = ""
    """The tool's name, in the first piece of a call."""
    done: bool = False
    """The call is complete with this piece."""
    void: bool = False
    """The call is none: its pieces are to be forgotten."""
    literal: bool = False
    """Text of a call that cannot be read, which no stop string cuts short."""


class Splitter(Protocol):
    """Splits one answer. How its text is cut into pieces makes no difference to what comes out, pieces joined."""

    @property
    def kind(self) -> Kind:
        """What the text is that comes next, as far as is known."""
        ...

    @property
    def warnings(self) -> tuple[str, ...]:
        """What could not be read."""
        ...

    def feed(self, text: str) -> list[Segment]:
        """Return what `text` makes certain."""
        ...

    def finish(self) -> list[Segment]:
        """Return the rest: no more will come."""
        ...


class PlainSplitter:
    """An answer that is text and nothing else."""

    kind = Kind.TEXT
    warnings: tuple[str, ...] = ()

    def feed(self, text: str) -> list[Segment]:
        """Return `text`."""
        return [Segment(Kind.TEXT, text, len(text))] if text else []

    def finish(self) -> list[Segment]:
        """Return nothing: nothing is held back."""
        return []
