"""A journal that can be read."""

from __future__ import annotations

from typing import NamedTuple

from omlx_cli.contract.live import HappeningKind


class Note(NamedTuple):
    """One call of the journal."""

    kind: HappeningKind
    message: str
    model: str
    request: str
    number: int
    size_bytes: int


class Notes:
    """A journal that is a list."""

    def __init__(self) -> None:
        self.made: list[Note] = []

    def note(
        self, kind: HappeningKind, message: str, *,
        model: str = "", request: str = "", count: int = 1, size_bytes: int = 0,
    ) -> None:  # fmt: skip
        self.made.append(Note(kind, message, model, request, count, size_bytes))
