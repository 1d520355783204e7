"""How the memory for blocks is shared out among the models: by use, and by what they have to put there. Pure."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

HALF_LIFE_S = 600.0
"""After so long a prompt counts half."""
_LEAST_WEIGHT = 0.1
"""Of the mean, what a model counts that nobody asks."""
_FULL = 0.9


@dataclass(frozen=True, slots=True)
class Holder:
    """One model's blocks in memory."""

    size_bytes: int
    capacity_bytes: int
    bound_bytes: int
    """What it may never exceed."""
    use: float = 0.0
    """Prompt tokens of late."""


class Use:
    """Prompt tokens that fade with time."""

    def __init__(self) -> None:
        self._tokens = 0.0
        self._seen_tokens = 0
        self._at_s = 0.0

    def note(self, total_tokens: int, now_s: float) -> None:
        """Take a counter's new reading."""
        self._tokens = self.at(now_s) + max(0, total_tokens - self._seen_tokens)
        self._seen_tokens, self._at_s = total_tokens, now_s

    def at(self, now_s: float) -> float:
        """Return what is left of them."""
        return self._tokens * math.exp2(-max(0.0, now_s - self._at_s) / HALF_LIFE_S)


def shares(budget_bytes: int, holders: Sequence[Holder]) -> list[int]:
    """Return what each may hold: first what they can fill, then the rest, both in proportion to their use.

    The sum is at most the budget. Nobody gets nothing while there is a budget.
    """
    if not holders:
        return []
    mean = sum(holder.use for holder in holders) / len(holders)
    weights = [max(holder.use, mean * _LEAST_WEIGHT) or 1.0 for holder in holders]
    wanted = [_wanted(holder, budget_bytes, len(holders)) for holder in holders]
    first = _pour(budget_bytes, weights, wanted)
    rest = [holder.bound_bytes - given for holder, given in zip(holders, first, strict=True)]
    second = _pour(budget_bytes - sum(first), weights, rest)
    return [a + b for a, b in zip(first, second, strict=True)]


def _wanted(holder: Holder, budget_bytes: int, count: int) -> int:
    """Return what a model can fill soon: everything where it is full, else twice what it has."""
    is_full = holder.size_bytes > 0 and holder.size_bytes >= _FULL * holder.capacity_bytes
    soon_bytes = holder.bound_bytes if is_full else max(2 * holder.size_bytes, budget_bytes // (4 * count))
    return min(soon_bytes, holder.bound_bytes)


def _pour(amount: int, weights: Sequence[float], limits: Sequence[int]) -> list[int]:
    """Share `amount` out by weight, nobody getting more than its limit; what one cannot take the others get."""
    given = [0] * len(weights)
    open_ = [number for number, limit in enumerate(limits) if limit > 0]
    while open_ and amount > 0:
        total = sum(weights[number] for number in open_)
        level = {number: int(amount * weights[number] / total) for number in open_}
        filled = [number for number in open_ if level[number] >= limits[number]]
        for number in filled or open_:
            given[number] = min(level[number], limits[number])
        if not filled:
            break
        amount -= sum(given[number] for number in filled)
        open_ = [number for number in open_ if number not in filled]
    return given
