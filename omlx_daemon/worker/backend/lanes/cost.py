"""What a decode step of a batch costs: its weights, its rows, and the KV that it reads, padding included."""

from __future__ import annotations

from collections.abc import Sequence
from operator import mul
from typing import NamedTuple

from omlx_daemon.worker.engine.fit import Fit

_ROW_SHARE = 0.02
"""A row more is expected to cost this share of reading the weights."""
_BELIEVABLE = 16.0
"""How far the price of a byte of KV may be from that of a byte of weights; beyond it is noise."""
_TINY = 1e-12


class Padded(NamedTuple):
    """A batch: how many rows it has, and the KV bytes of its longest, to which the others are padded."""

    rows: int
    row_bytes: int

    @property
    def read_bytes(self) -> int:
        """KV bytes that a step reads."""
        return self.rows * self.row_bytes


class StepCost:
    """Seconds of a decode step, measured as the model runs.

    Until it is, a step is taken to cost as much time as it reads memory: the weights, then the KV.
    """

    def __init__(self, weights_bytes: int) -> None:
        self._weights_bytes = float(max(weights_bytes, 1))
        self._fit = Fit((self._weights_bytes, self._weights_bytes * _ROW_SHARE, 1.0))

    def note(self, batch: Padded, seconds: float) -> None:
        """Take in what a step of `batch` took."""
        self._fit.note(_quantities(batch), seconds)

    def seconds(self, batches: Sequence[Padded]) -> float:
        """Return what a step of each batch takes together; before any measurement in an unknown unit."""
        prices = self._prices()
        return sum(sum(map(mul, prices, _quantities(batch))) for batch in batches)

    @property
    def byte_s(self) -> float:
        """What reading one byte of KV takes, in the unit of `seconds`."""
        return self._prices()[2]

    @property
    def step_bytes(self) -> float:
        """How many bytes of KV are read in the time that one batch more costs, with no row more."""
        step, _, byte = self._prices()
        return step / byte

    def _prices(self) -> tuple[float, float, float]:
        step, row, byte = self._fit.prices
        whole = max(step, byte * self._weights_bytes, _TINY)
        floor = whole / self._weights_bytes / _BELIEVABLE
        return max(step, whole / _BELIEVABLE), row, max(byte, floor)


def _quantities(batch: Padded) -> tuple[float, float, float]:
    return 1.0, float(batch.rows), float(batch.read_bytes)
