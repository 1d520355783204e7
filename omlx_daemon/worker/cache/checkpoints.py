"""Where window and state parts are kept: at few positions, because they are large."""

from __future__ import annotations

from bisect import bisect_right, insort
from collections.abc import Iterable

from omlx_daemon.coldstore.names import BLOCK_TOKENS

EVERY_TOKENS = 4096


class Checkpoints:
    """Positions of one sequence, in order; multiples of `every` go on beyond the prompt."""

    def __init__(self, prompt_tokens: int, extra: Iterable[int] = (), every: int = EVERY_TOKENS) -> None:
        """Choose the last full block of the prompt, its end but for one token, multiples of `every`, and `extra`."""
        extra = tuple(extra)
        last = prompt_tokens - 1
        self.prompt_end = last
        self._every = every
        self._lasting = {*extra}
        chosen = {last, last // BLOCK_TOKENS * BLOCK_TOKENS, *extra, *range(every, last, every)}
        self._positions: list[int] = sorted(position for position in chosen if 0 < position <= last)

    def add(self, position: int) -> None:
        """Choose one position more."""
        self._lasting.add(position)
        if position not in self._positions:
            insort(self._positions, position)

    def is_lasting(self, position: int) -> bool:
        """Return whether other prompts are likely to go on from a chosen position."""
        return position in self._lasting or position % self._every == 0

    def after(self, position: int) -> int:
        """Return the next position that is chosen."""
        at = bisect_right(self._positions, position)
        if at < len(self._positions):
            return self._positions[at]
        return (position // self._every + 1) * self._every

    def between(self, start: int, end: int) -> list[int]:
        """Return the chosen positions after `start`, up to and including `end`."""
        found = []
        while (position := self.after(start)) <= end:
            found.append(position)
            start = position
        return found

    def last_up_to(self, position: int) -> int:
        """Return the last chosen position of the prompt that is not after `position`, 0 for none."""
        at = bisect_right(self._positions, position)
        return self._positions[at - 1] if at else 0
