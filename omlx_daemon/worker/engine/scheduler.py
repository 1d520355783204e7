"""Which prompt is computed next, and how much of it."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass

from omlx_daemon.worker.engine.pace import Pace
from omlx_daemon.worker.engine.places import URGENCY, arrival, patient_until_s
from omlx_daemon.worker.engine.sequence import Sequence
from omlx_daemon.worker.engine.shares import Shares

SMALL_TOKENS = 128
"""Fresh prompts up to this length prefill together; longer ones lose more to padding than they gain."""
IDLE_GROUP_TOKENS = 8 * SMALL_TOKENS
"""Nothing runs that a longer tick could stall, and together they are read in about half the time."""
Key = tuple[int, float, int, float, int]


@dataclass(frozen=True, slots=True)
class Chunk:
    """The next `tokens` prompt tokens of a sequence; 0 where only its last token is left, for the decode step."""

    sequence: Sequence
    tokens: int


class Scheduler:
    """The line of sequences whose prompts are not done.

    Of those that have a place the most urgent goes first; among equals the client that had the fewest tokens
    computed; of one client the shortest remaining prompt. Every second turn goes to the one that ran out of
    patience first, if one did, so that a long prompt always moves and a short one never waits for all of it.
    """

    def __init__(self, pace: Pace) -> None:
        self._pace = pace
        self._waiting: list[Sequence] = []
        self._shares = Shares()
        self._aged_turn = False

    @property
    def waiting(self) -> tuple[Sequence, ...]:
        """Those in line, in order of arrival."""
        return tuple(self._waiting)

    def __len__(self) -> int:
        return len(self._waiting)

    def add(self, sequence: Sequence) -> None:
        """Put a sequence in line."""
        self._shares.enter(sequence.client, {other.client for other in self._waiting})
        self._waiting.append(sequence)

    def remove(self, sequence: Sequence) -> None:
        """Take a sequence out of line."""
        self._waiting.remove(sequence)

    def next(self, now_s: float, decoding: bool) -> list[Chunk]:
        """Return this tick's work: a chunk of one sequence, or whole prompts of several; empty where none is ready."""
        eligible = [sequence for sequence in self._waiting if sequence.ready]
        if not eligible:
            return []
        urgency = _inherited(self._waiting)
        keys = {id(s): self._key(s, urgency.get(id(s), 2)) for s in eligible}
        eligible.sort(key=lambda s: keys[id(s)])
        head = self._head(eligible, now_s)
        limit = self._pace.chunk_tokens(decoding, head.done_tokens)
        group = self._group(head, eligible, limit if decoding else max(limit, IDLE_GROUP_TOKENS))
        if len(group) == 1:
            chunks = [Chunk(head, head.chunk_tokens(limit))]
        else:
            chunks = [Chunk(sequence, sequence.remaining_tokens) for sequence in group]
        for chunk in chunks:
            self._shares.charge(chunk.sequence.client, chunk.tokens)
        return chunks

    def _key(self, sequence: Sequence, urgency: int) -> Key:
        return urgency, self._shares.used(sequence.client), sequence.remaining_tokens, *arrival(sequence)

    def _head(self, eligible: list[Sequence], now_s: float) -> Sequence:
        aged = [sequence for sequence in eligible if patient_until_s(sequence) <= now_s]
        self._aged_turn = bool(aged) and not self._aged_turn
        return min(aged, key=patient_until_s) if self._aged_turn else eligible[0]

    def _group(self, head: Sequence, eligible: list[Sequence], room: int) -> list[Sequence]:
        """Return `head` and the short fresh prompts of like length that fit beside it into `room` padded tokens."""
        group = [head]
        if not _groups(head):
            return group
        for sequence in (s for s in eligible if s is not head and _groups(s)):
            lengths = [member.remaining_tokens for member in (*group, sequence)]
            padded = max(lengths) * len(lengths)
            if padded <= room and max(lengths) <= 2 * min(lengths):
                group.append(sequence)
        return group


def _groups(sequence: Sequence) -> bool:
    if not sequence.fresh or sequence.alone or sequence.answers_nothing:
        return False
    return (
        0 < sequence.remaining_tokens <= SMALL_TOKENS
        and sequence.chunk_tokens(SMALL_TOKENS) == sequence.remaining_tokens
    )


def _inherited(waiting: Collection[Sequence]) -> dict[int, int]:
    """Return how urgent each sequence is: as urgent as the most urgent of those that wait for what it computes."""
    urgency = {id(sequence): URGENCY[sequence.ticket.priority] for sequence in waiting}
    owners = {id(sequence.lease): sequence for sequence in waiting if sequence.lease is not None}
    for sequence in sorted(waiting, key=lambda s: urgency[id(s)]):
        own, awaited = urgency[id(sequence)], sequence.awaited
        while awaited is not None and (owner := owners.get(id(awaited))) and urgency[id(owner)] > own:
            urgency[id(owner)] = own
            awaited = owner.awaited
    return urgency
