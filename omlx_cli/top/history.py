"""What the dashboard remembers of what it saw: five minutes of rates, the log, and how requests went. All bounded."""

from __future__ import annotations

from collections import deque
from itertools import islice
from typing import NamedTuple

from omlx_cli.contract.api import RequestInfo
from omlx_cli.contract.live import Happening, LiveTier, Snapshot
from omlx_cli.top import figures

SPAN_S = 300
"""Seconds that sparklines show; one sample a second."""
MAX_HAPPENINGS = 2000
MAX_ENDED = 200
MAX_STEPS = 64
_LATE_S = 1.0
"""A request that is older when it is first seen was there before the dashboard was."""


class Sample(NamedTuple):
    """The rates of one second."""

    prefill_tokens_per_s: float
    decode_tokens_per_s: float
    read_bytes_per_s: float
    written_bytes_per_s: float
    reused_tokens: float
    """Prompt tokens reused in this second."""
    recomputed_tokens: float
    memory_share: float


class Step(NamedTuple):
    """One entry of a request's timeline."""

    at_s: float
    what: str


class Course:
    """How one request went, as far as it was seen."""

    def __init__(self, row: RequestInfo, now_s: float) -> None:
        self.row = row
        self.born_s = now_s - row.age_s
        self.ended_s: float | None = None
        self.steps: deque[Step] = deque([Step(self.born_s, "arrived")], MAX_STEPS)
        if row.ttft_s is not None:
            self.steps.append(Step(self.born_s + row.ttft_s, "first token"))
        seen = ", when it was first seen here" if row.age_s > _LATE_S else ""
        self.steps.append(Step(now_s, f"{row.phase.value}{seen}"))

    def follow(self, row: RequestInfo, now_s: float) -> None:
        """Take in what is new in the request's row."""
        if row.phase is not self.row.phase:
            self.steps.append(Step(now_s, row.phase.value))
        if row.ttft_s is not None and self.row.ttft_s is None:
            self.steps.append(Step(self.born_s + row.ttft_s, "first token"))
        self.row = row

    def end(self, what: str, at_s: float) -> None:
        """Note how and when it ended; what was known better stays."""
        if self.ended_s is None:
            self.ended_s = at_s
            self.steps.append(Step(at_s, what))
        elif self.steps[-1].what == "ended":
            self.steps[-1] = Step(self.steps[-1].at_s, what)


class History:
    """Takes in every snapshot and happening; keeps what the panels need of the past."""

    def __init__(self) -> None:
        self.samples: deque[Sample] = deque(maxlen=SPAN_S)
        self.log: deque[Happening] = deque(maxlen=MAX_HAPPENINGS)
        self.courses: dict[str, Course] = {}
        self._start_id = ""
        self._last_number = 0
        self._second = 0
        self._reused = self._recomputed = 0

    def take(self, snapshot: Snapshot) -> None:
        """Take in the state as it is now."""
        now_s = figures.epoch_s(snapshot.at) or 0.0
        if snapshot.daemon.start_id != self._start_id:
            self._restart(snapshot)
        for happening in snapshot.happenings:
            self.note(happening)
        self._follow(snapshot.requests, now_s)
        self._sample(snapshot, int(now_s))

    def note(self, happening: Happening) -> None:
        """Take in one line of the log; one that is known already is passed over."""
        if happening.number <= self._last_number:
            return
        self._last_number = happening.number
        self.log.append(happening)
        course = self.courses.get(happening.request)
        if course is not None:
            course.end(happening.message, figures.epoch_s(happening.at) or course.born_s)

    def series(self, name: str) -> list[float]:
        """Return one field of the samples, the oldest first."""
        index = Sample._fields.index(name)
        return [sample[index] for sample in self.samples]

    def _restart(self, snapshot: Snapshot) -> None:
        self._start_id = snapshot.daemon.start_id
        self._last_number = 0
        self._reused, self._recomputed = _tokens(snapshot)
        for course in self.courses.values():
            course.end("lost with the daemon", course.born_s + course.row.age_s)

    def _follow(self, rows: tuple[RequestInfo, ...], now_s: float) -> None:
        for row in rows:
            course = self.courses.get(row.id)
            if course is None:
                self.courses[row.id] = Course(row, now_s)
            elif row is not course.row:
                course.follow(row, now_s)
        alive = {row.id for row in rows}
        for request_id, course in self.courses.items():
            if request_id not in alive:
                course.end("ended", now_s)
        self._forget(len(self.courses) - len(alive) - MAX_ENDED, alive)

    def _forget(self, surplus: int, alive: set[str]) -> None:
        if surplus > 0:
            ended = (request_id for request_id in self.courses if request_id not in alive)
            for request_id in list(islice(ended, surplus)):
                del self.courses[request_id]

    def _sample(self, snapshot: Snapshot, second: int) -> None:
        """Add a sample for each second that began since the last; a gap in time is a gap without rates."""
        if second <= self._second:
            return
        missed = min(SPAN_S, second - self._second - 1) if self._second else 0
        self.samples.extend([_EMPTY] * missed)
        self._second = second
        reused, recomputed = _tokens(snapshot)
        self.samples.append(
            Sample(
                snapshot.prefill_tokens_per_s,
                snapshot.decode_tokens_per_s,
                sum(tier.read_bytes_per_s for tier in snapshot.cache.tiers),
                sum(tier.written_bytes_per_s for tier in snapshot.cache.tiers),
                max(0, reused - self._reused),
                max(0, recomputed - self._recomputed),
                figures.share(snapshot.memory.used_bytes, snapshot.memory.limit_bytes) or 0.0,
            )
        )
        self._reused, self._recomputed = reused, recomputed


_EMPTY = Sample(0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0)


def _tokens(snapshot: Snapshot) -> tuple[int, int]:
    tiers: tuple[LiveTier, ...] = snapshot.cache.tiers
    return sum(tier.reused_tokens for tier in tiers), snapshot.cache.recomputed_tokens
