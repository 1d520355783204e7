"""What an answer's reader tells of calls that it could not read."""

from __future__ import annotations

_MOST = 8


class Unread:
    """Counts the calls that cannot be read, and says why."""

    def __init__(self, format_name: str) -> None:
        """Speak of calls in the format of this name."""
        self._format = format_name
        self._reasons: list[str] = []

    @property
    def warnings(self) -> tuple[str, ...]:
        """One line for each of the first ones."""
        return tuple(self._reasons[:_MOST])

    def add(self, reason: str) -> None:
        """Note a call that is no call because of `reason`."""
        self._reasons.append(f"a tool call was not understood and is given as text ({self._format}: {reason})")
