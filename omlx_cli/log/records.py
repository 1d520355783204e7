"""Lines put together to the entries that they are parts of."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from omlx_cli.contract import logline
from omlx_cli.contract.logline import Entry


@dataclass(frozen=True, slots=True)
class Record:
    """An entry and the lines it stands in; of a line that is no entry's, the text alone."""

    entry: Entry
    lines: tuple[str, ...]

    @property
    def text(self) -> str:
        """The lines as they stand in the file."""
        return "\n".join(self.lines)

    @property
    def message(self) -> str:
        """The whole message."""
        if not self.entry.at:
            return self.text
        below = [line.removeprefix(logline.INDENT) for line in self.lines]
        return "\n".join(below if self.is_rest else [self.entry.message, *below[1:]])

    @property
    def is_rest(self) -> bool:
        """Whether these are lines that were read after the entry they belong to."""
        return self.lines[0].startswith(logline.INDENT)


class Records:
    """Makes records of lines as they come."""

    def __init__(self) -> None:
        self._entry = Entry()

    def of(self, lines: Iterable[str]) -> Iterator[Record]:
        """Yield the records that `lines` hold; the last one is not held back for lines that may follow."""
        held: list[str] = []
        for line in lines:
            if line.startswith(logline.INDENT) and self._entry.at:
                held.append(line)
                continue
            if held:
                yield Record(self._entry, tuple(held))
            self._entry = logline.parse(line) or Entry()
            held = [line]
        if held:
            yield Record(self._entry, tuple(held))
