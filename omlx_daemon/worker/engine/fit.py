"""What work costs, learnt from what it took: seconds as a sum of a few quantities, each with its own price."""

from __future__ import annotations

from collections.abc import Sequence
from operator import mul

_FORGET = 0.97
"""Each measurement leaves so much of the weight of those before it."""
_TRUST = 0.03
"""Weight of the prior, in measurements, as far as measurements say nothing of a price."""


class Fit:
    """Prices of quantities, none below zero, that explain measured seconds best, in relation to their size.

    One measurement that is far off, to either side, has no more weight than others.

    `ratios` says how the prices are related, as far as one knows; it decides where measurements do not tell them
    apart.
    """

    def __init__(self, ratios: Sequence[float]) -> None:
        self._ratios = tuple(ratios)
        size = len(self._ratios)
        self._products = [[0.0] * size for _ in range(size)]
        self._sums = [0.0] * size
        self.is_known = False
        """Whether anything was measured."""
        self._prices: list[float] | None = None

    @property
    def prices(self) -> list[float]:
        """Seconds for one of each quantity; before the first measurement only their ratios mean something."""
        if not self.is_known:
            return list(self._ratios)
        if self._prices is None:
            self._prices = self._solved()
        return self._prices

    def note(self, quantities: Sequence[float], seconds: float) -> None:
        """Take in what some work took."""
        if seconds <= 0:
            return
        size = max(seconds, self.seconds(quantities) if self.is_known else 0.0)
        self.is_known = True
        relative = [quantity / size for quantity in quantities]
        for row, one in enumerate(relative):
            self._sums[row] = _FORGET * self._sums[row] + one * seconds / size
            for column, other in enumerate(relative):
                self._products[row][column] = _FORGET * self._products[row][column] + one * other
        self._prices = None

    def seconds(self, quantities: Sequence[float]) -> float:
        """Return what some work is going to take."""
        return float(sum(map(mul, self.prices, quantities)))

    def _solved(self) -> list[float]:
        """Return the best prices; those that would be negative are zero."""
        prior = self._prior()
        free = list(range(len(self._ratios)))
        while True:
            found = self._solve(free, prior)
            negative = [place for place, price in zip(free, found, strict=True) if price < 0]
            if not negative:
                break
            free = [place for place in free if place not in negative]
        prices = [0.0] * len(self._ratios)
        for place, price in zip(free, found, strict=True):
            prices[place] = price
        return prices

    def _prior(self) -> list[float]:
        """Return prices in the expected ratios, at the scale that explains the measurements best."""
        mixed = [sum(map(mul, row, self._ratios)) for row in self._products]
        scale = sum(map(mul, self._ratios, self._sums)) / sum(map(mul, self._ratios, mixed))
        return [ratio * scale for ratio in self._ratios]

    def _solve(self, free: list[int], prior: list[float]) -> list[float]:
        pulls = [_TRUST / prior[place] ** 2 for place in free]
        rows = [
            [
                *(self._products[row][column] + (pull if row == column else 0.0) for column in free),
                self._sums[row] + pull * prior[row],
            ]
            for row, pull in zip(free, pulls, strict=True)
        ]
        return _eliminated(rows)


def _eliminated(rows: list[list[float]]) -> list[float]:
    """Return the solution of linear equations, one a row, the right side last; the matrix is positive definite."""
    size = len(rows)
    for place in range(size):
        pivot = max(range(place, size), key=lambda row: abs(rows[row][place]))
        rows[place], rows[pivot] = rows[pivot], rows[place]
        for row in range(place + 1, size):
            factor = rows[row][place] / rows[place][place]
            rows[row] = [one - factor * other for one, other in zip(rows[row], rows[place], strict=True)]
    solution = [0.0] * size
    for place in reversed(range(size)):
        known = sum(rows[place][other] * solution[other] for other in range(place + 1, size))
        solution[place] = (rows[place][size] - known) / rows[place][place]
    return solution
