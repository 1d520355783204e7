"""Stop strings in a stream of text, wherever its pieces are cut."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Passed:
    """Text that is certain, and the stop string that ended it, if one did."""

    text: str
    stop: str = ""


class StopText:
    """Holds back text that may turn out to be the beginning of a stop string.

    The stop that is completed first wins, the longest of those completed together; how the text was cut into
    pieces makes no difference.
    """

    def __init__(self, stops: tuple[str, ...]) -> None:
        self._stops = tuple(stop for stop in stops if stop)
        self._held = ""

    def feed(self, piece: str) -> Passed:
        """Return what `piece` makes certain; after a stop nothing more may be fed."""
        text = self._held + piece
        found = [(at + len(stop), at, stop) for stop in self._stops if (at := text.find(stop)) >= 0]
        if found:
            _, at, stop = min(found)
            self._held = ""
            return Passed(text[:at], stop)
        keep = self._longest_beginning(text)
        self._held = text[len(text) - keep :]
        return Passed(text[: len(text) - keep])

    def flush(self) -> str:
        """Return the held text: no more will come, so it is no stop."""
        held, self._held = self._held, ""
        return held

    def _longest_beginning(self, text: str) -> int:
        """Return the length of the longest end of `text` that begins a stop string."""
        longest = min(len(text), max(map(len, self._stops), default=1) - 1)
        for length in range(longest, 0, -1):
            if any(stop.startswith(text[-length:]) for stop in self._stops):
                return length
        return 0
