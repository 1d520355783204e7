"""All rows that decode: as few batches as possible, as many as padding makes worth it."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Sequence
from contextlib import AbstractContextManager
from itertools import chain

from mlx_lm.generate import GenerationBatch

from omlx_daemon.worker.backend.lanes.cost import Padded, StepCost
from omlx_daemon.worker.backend.lanes.lane import Lane
from omlx_daemon.worker.backend.lanes.partition import partition
from omlx_daemon.worker.engine.kvshape import KvShape

LOOK_EVERY_STEPS = 16
"""Prices are measured meanwhile, so what did not pay may pay now."""
PAYBACK_STEPS = 32
"""Moving rows has to be won back within so many steps."""
_COPY_READS = 3.0
"""Moving a byte of KV costs as much as reading so many."""
_MIN_GAIN = 0.03
_CHEAPER = 4.0
"""Where memory is short, each further try takes a batch to be so much cheaper."""
_MAX_TRIES = 12

Response = GenerationBatch.Response
Arrangement = list[list[int]]
"""Rows of each batch, by their places among all rows."""


class Lanes:
    """Steps every lane once a step, and moves rows between lanes where that pays.

    Where padding would take more than `limit_bytes`, rows are split further; 0 is without a bound.
    """

    def __init__(self, shape: KvShape, cost: StepCost, clock: Callable[[], float], limit_bytes: int = 0) -> None:
        self._shape = shape
        self._cost = cost
        self._clock = clock
        self.limit_bytes = limit_bytes
        """Bound of what the lanes hold; may change at any time."""
        self._lanes: list[Lane] = []
        self._steps = 0
        self._changed = False
        self._alone_since_s = -1.0

    def __len__(self) -> int:
        return len(self._lanes)

    def __iter__(self) -> Iterator[Lane]:
        return iter(self._lanes)

    @property
    def live_bytes(self) -> int:
        """KV bytes of the rows' own tokens."""
        return sum(chain.from_iterable(lane.sizes for lane in self._lanes))

    @property
    def held_bytes(self) -> int:
        """KV bytes that are held for them."""
        return sum(lane.held_bytes for lane in self._lanes)

    def find(self, uid: int) -> tuple[GenerationBatch, int]:
        """Return the batch of a row and its place there. Raises KeyError."""
        for lane in self._lanes:
            if uid in lane.batch.uids:
                return lane.batch, lane.batch.uids.index(uid)
        raise KeyError(uid)

    def join(self, batch: GenerationBatch) -> None:
        """Take in rows that begin to decode."""
        self._lanes.append(Lane(batch, self._shape))
        self.arrange()
        self.disturbed()

    def remove(self, uids: Collection[int]) -> None:
        """Let go of rows."""
        left = [lane.without(uids) for lane in self._lanes]
        self._lanes = [lane for lane in left if len(lane)]
        self._changed = True

    def disturbed(self) -> None:
        """Note that the device was given other work, so that the next step cannot be timed."""
        self._alone_since_s = -1.0

    def step(self, choosing: Callable[[Sequence[int]], AbstractContextManager[None]]) -> list[Response]:
        """Return the next token of every row; those after them are chosen within `choosing(uids)` of each batch."""
        self._steps += 1
        if self._changed or self._steps % LOOK_EVERY_STEPS == 0:
            self.arrange()
        responses: list[Response] = []
        for lane in self._lanes:
            padded = lane.padded
            with choosing(lane.uids):
                responses += lane.batch.next()
            self._timed(padded)
        return responses

    def _timed(self, padded: Padded) -> None:
        """Each lane's step begins on the device when the one before it ends, for as long as nothing else is asked."""
        now_s = self._clock()
        if self._alone_since_s >= 0:
            self._cost.note(padded, now_s - self._alone_since_s)
        self._alone_since_s = now_s

    def arrange(self) -> None:
        """Move rows to where they cost least, if that is won back soon."""
        self._changed = False
        sizes = list(chain.from_iterable(lane.sizes for lane in self._lanes))
        wanted = self._wanted(sizes)
        if self._is_worth(wanted, sizes):
            self._move(wanted)
            self.disturbed()

    def _wanted(self, sizes: Sequence[int]) -> Arrangement:
        batch_bytes = self._cost.step_bytes
        for _ in range(_MAX_TRIES):
            wanted = partition(sizes, batch_bytes)
            if not self.limit_bytes or _held(_padded(wanted, sizes)) <= self.limit_bytes:
                break
            batch_bytes = min(batch_bytes, float(sum(sizes))) / _CHEAPER
        return wanted

    def _is_worth(self, wanted: Arrangement, sizes: Sequence[int]) -> bool:
        present = self._present()
        if sorted(map(sorted, wanted)) == sorted(present):
            return False
        now, then = _padded(present, sizes), _padded(wanted, sizes)
        if self.limit_bytes and _held(then) < _held(now) and _held(now) > self.limit_bytes:
            return True
        before_s = self._cost.seconds(now)
        gain_s = before_s - self._cost.seconds(then)
        untouched = [sorted(rows) for rows in present]
        copied = sum(p.read_bytes for rows, p in zip(wanted, then, strict=True) if sorted(rows) not in untouched)
        return gain_s > _MIN_GAIN * before_s and gain_s * PAYBACK_STEPS > copied * _COPY_READS * self._cost.byte_s

    def _present(self) -> Arrangement:
        rows = iter(range(sum(map(len, self._lanes))))
        return [[next(rows) for _ in range(len(lane))] for lane in self._lanes]

    def _move(self, wanted: Arrangement) -> None:
        goal = {row: number for number, rows in enumerate(wanted) for row in rows}
        pieces: list[list[Lane]] = [[] for _ in wanted]
        for lane, rows in zip(self._lanes, self._present(), strict=True):
            goals = sorted({goal[row] for row in rows})
            for number in goals:
                own = [place for place, row in enumerate(rows) if goal[row] == number]
                pieces[number].append(lane if len(goals) == 1 else lane.part(own))
        self._lanes = [_joined(parts) for parts in pieces]


def _joined(parts: list[Lane]) -> Lane:
    first, *others = sorted(parts, key=len, reverse=True)
    for other in others:
        first.extend(other)
    return first


def _padded(arrangement: Arrangement, sizes: Sequence[int]) -> list[Padded]:
    return [Padded(len(rows), max(sizes[row] for row in rows)) for rows in arrangement]


def _held(batches: list[Padded]) -> int:
    return sum(batch.read_bytes for batch in batches)
