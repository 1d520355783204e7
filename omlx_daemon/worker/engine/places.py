"""Who gets the next place in the engine."""

from __future__ import annotations

from collections import Counter, OrderedDict
from collections.abc import Iterable, Iterator

from omlx_daemon.core.requests import Priority
from omlx_daemon.worker.engine.room import Room
from omlx_daemon.worker.engine.sequence import Sequence

PATIENCE_S = {Priority.INTERACTIVE: 2.0, Priority.NORMAL: 2.0, Priority.BATCH: 20.0}
URGENCY = {Priority.INTERACTIVE: 0, Priority.NORMAL: 1, Priority.BATCH: 2}
PATIENT_TURN = 4
"""Every so manieth place goes to whoever has waited longest, once its patience is over."""
AHEAD_SEQUENCES = 32
AHEAD_TOKENS = 8192
"""How many sequences, and with how many prompt tokens, hold a place and what is restored before their first turn."""
AHEAD_SMALL_TOKENS = 1024
"""Up to this length a prompt is not kept waiting by longer ones that hold theirs."""
_MAX_KNOWN = 1024


class Places:
    """Gives places by class; in a class to clients in turn, first who holds the fewest; to a client's requests as they
    came.

    Every fourth place goes to the one that waits longest, once its patience is over: whatever arrives after a
    request, it starts when at most four times as many places were given as there were requests before it. Who does
    not fit yet is passed by, until its patience is over too; then nobody starts before it.
    """

    def __init__(self, max_running: int, room: Room) -> None:
        """Give at most `max_running` places, as long as there is room."""
        self._room = room
        self._max_running = max_running
        self._given = 0
        self._served: OrderedDict[str, int] = OrderedDict()

    def give(self, waiting: Iterable[Sequence], holding: Iterable[Sequence], now_s: float) -> Iterator[Sequence]:
        """Yield those of the `waiting` that get a place beside those `holding` one, as long as there are any."""
        left, holders = list(waiting), list(holding)
        clients = Counter(sequence.client for sequence in holders)
        while left and len(holders) < self._max_running:
            chosen = self._first_fitting(self._order(left, clients, now_s), holders, now_s)
            if chosen is None:
                return
            self._count(chosen.client)
            left.remove(chosen)
            holders.append(chosen)
            clients[chosen.client] += 1
            yield chosen

    def _count(self, client: str) -> None:
        self._given += 1
        self._served[client] = self._given
        self._served.move_to_end(client)
        if len(self._served) > _MAX_KNOWN:
            self._served.popitem(last=False)

    def _order(self, left: list[Sequence], clients: Counter[str], now_s: float) -> list[Sequence]:
        ordered = sorted(left, key=lambda s: self._rank(s, clients))
        impatient = [sequence for sequence in left if _is_impatient(sequence, now_s)]
        if impatient and self._given % PATIENT_TURN == PATIENT_TURN - 1:
            return [min(impatient, key=arrival), *ordered]
        return ordered

    def _rank(self, sequence: Sequence, clients: Counter[str]) -> tuple[float, ...]:
        client = sequence.client
        return URGENCY[sequence.ticket.priority], clients[client], self._served.get(client, 0), *arrival(sequence)

    def _first_fitting(self, ordered: list[Sequence], holders: list[Sequence], now_s: float) -> Sequence | None:
        ahead = [len(other.prompt) for other in holders if other.prefill is None and not other.joined]
        if len(ahead) >= AHEAD_SEQUENCES:
            return None
        is_crowded, free_bytes = sum(ahead) >= AHEAD_TOKENS, self._room.free_bytes(holders)
        for sequence in ordered:
            is_impatient = _is_impatient(sequence, now_s)
            if is_crowded and not is_impatient and len(sequence.prompt) > AHEAD_SMALL_TOKENS:
                continue
            if self._room.need_bytes(sequence) <= free_bytes:
                return sequence
            if is_impatient:
                return None
        return None


def patient_until_s(sequence: Sequence) -> float:
    """Return when a sequence has waited long enough to go before more urgent ones now and then."""
    ticket = sequence.ticket
    return ticket.arrived_s + PATIENCE_S[ticket.priority]


def _is_impatient(sequence: Sequence, now_s: float) -> bool:
    return patient_until_s(sequence) <= now_s


def arrival(sequence: Sequence) -> tuple[float, int]:
    """Return a key that sorts by arrival."""
    return sequence.ticket.arrived_s, sequence.ticket.uid
