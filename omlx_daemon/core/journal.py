"""Where the daemon's parts tell what happened, for people who watch."""

from __future__ import annotations

from typing import Protocol

from omlx_cli.contract.live import HappeningKind


class Journal(Protocol):
    """Takes note of what happens. Event loop only; never waits, never fails."""

    def note(
        self,
        kind: HappeningKind,
        message: str,
        *,
        model: str = "",
        request: str = "",
        count: int = 1,
        size_bytes: int = 0,
    ) -> None:
        """Tell of something, in one line for people; like things close together become one, with sums."""
        ...


class NoJournal:
    """Nobody watches."""

    def note(
        self,
        kind: HappeningKind,
        message: str,
        *,
        model: str = "",
        request: str = "",
        count: int = 1,
        size_bytes: int = 0,
    ) -> None:
        """Do nothing."""
