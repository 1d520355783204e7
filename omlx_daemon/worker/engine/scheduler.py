"""Which prompt is computed next, and how much of it."""

from __future__ import annotations

from dataclasses import dataclass

from omlx_daemon.core.requests import Priority
from omlx_daemon.worker.engine.pace import Pace
from omlx_daemon.worker.engine.sequence import Sequence

SMALL_TOKENS = 128
"""Fresh prompts up to this length prefill together; longer ones lose more to padding than they gain."""
IDLE_GROUP_TOKENS = 8 * SMALL_TOKENS
"""Nothing runs that a longer tick could stall, and together they are read in about half the time."""
PATIENCE_S = {Priority.INTERACTIVE: 2.0, Priority.NORMAL: 2.0, Priority.BATCH: 20.0}
_URGENCY = {Priority.INTERACTIVE: 0, Priority.NORMAL: 1, Priority.BATCH: 2}


@dataclass(frozen=True, slots=True)
class Chunk:
    """The next `tokens` prompt tokens of a sequence; 0 where only its last token is left, for the decode step."""

    sequence: Sequence
    tokens: int


class Scheduler:
    """The line of sequences whose prompts are not done.

    Shortest remaining prompt first, by priority; every second turn goes to the one that ran out of patience
    first, if one did, so that a long prompt always moves and a short one never waits for all of it.
    """

    def __init__(self, pace: Pace, max_running: int) -> None:
        self._pace = pace
        self._max_running = max_running
        self._waiting: list[Sequence] = []
        self._aged_turn = False

    @property
    def waiting(self) -> tuple[Sequence, ...]:
        """Those in line, in order of arrival."""
        return tuple(self._waiting)

    def __len__(self) -> int:
        return len(self._waiting)

    def add(self, sequence: Sequence) -> None:
        """Put a sequence in line."""
        self._waiting.append(sequence)

    def remove(self, sequence: Sequence) -> None:
        """Take a sequence out of line."""
        self._waiting.remove(sequence)

    def next(self, now_s: float, running: int) -> list[Chunk]:
        """Return this tick's work: a chunk of one sequence, or whole prompts of several; empty where none may start.

        `running` is the number of rows that decode; sequences with a part of their prompt done hold a place too.
        """
        free = self._free(running)
        eligible = [s for s in self._waiting if s.ready and (free > 0 or not s.waits)]
        if not eligible:
            return []
        head = self._head(eligible, now_s)
        limit = self._pace.chunk_tokens(decoding=running > 0)
        room = limit if running else max(limit, IDLE_GROUP_TOKENS)
        group = self._group(head, eligible, free, room)
        if len(group) > 1:
            return [Chunk(sequence, sequence.remaining_tokens) for sequence in group]
        return [Chunk(head, head.chunk_tokens(limit))]

    def upcoming(self, now_s: float, running: int) -> list[Sequence]:
        """Return those not yet looked up for whom there is a place, the most urgent first."""
        waiting = [sequence for sequence in self._waiting if sequence.waits and not sequence.ready]
        waiting.sort(key=lambda s: (_patient_until_s(s) > now_s, *_shortness(s)))
        return waiting[: max(0, self._free(running))]

    def _free(self, running: int) -> int:
        return self._max_running - running - sum(not sequence.waits for sequence in self._waiting)

    def _head(self, eligible: list[Sequence], now_s: float) -> Sequence:
        aged = [sequence for sequence in eligible if _patient_until_s(sequence) <= now_s]
        self._aged_turn = bool(aged) and not self._aged_turn
        if self._aged_turn:
            return min(aged, key=_patient_until_s)
        return min(eligible, key=_shortness)

    def _group(self, head: Sequence, eligible: list[Sequence], free: int, room: int) -> list[Sequence]:
        """Return `head` and the short fresh prompts of like length that fit beside it into `room` padded tokens."""
        group = [head]
        if not _groups(head):
            return group
        for sequence in sorted((s for s in eligible if s is not head and _groups(s)), key=_shortness):
            lengths = [member.remaining_tokens for member in (*group, sequence)]
            padded = max(lengths) * len(lengths)
            places = sum(member.waits for member in (*group, sequence))
            if places <= free and padded <= room and max(lengths) <= 2 * min(lengths):
                group.append(sequence)
        return group


def _groups(sequence: Sequence) -> bool:
    if not sequence.fresh or sequence.alone or sequence.answers_nothing:
        return False
    return (
        0 < sequence.remaining_tokens <= SMALL_TOKENS
        and sequence.chunk_tokens(SMALL_TOKENS) == sequence.remaining_tokens
    )


def _patient_until_s(sequence: Sequence) -> float:
    ticket = sequence.ticket
    return ticket.arrived_s + PATIENCE_S[ticket.priority]


def _shortness(sequence: Sequence) -> tuple[int, int, float]:
    return _URGENCY[sequence.ticket.priority], sequence.remaining_tokens, sequence.ticket.arrived_s
