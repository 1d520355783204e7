"""The engine: one tick is one decode step for all that run, then one prefill chunk for those whose turn it is."""

from __future__ import annotations

import logging
from collections.abc import Callable, Collection, Iterable
from functools import partial

import msgspec

from omlx_cli.contract.errors import Code, ErrorBody
from omlx_daemon.core.entries import about
from omlx_daemon.core.errors import shutting_down, timed_out
from omlx_daemon.core.events import Event, FinishReason, Prefill, Terminal, Text
from omlx_daemon.wire.messages import Report
from omlx_daemon.worker.cache.store import Store
from omlx_daemon.worker.engine.meter import Meter
from omlx_daemon.worker.engine.pace import Pace
from omlx_daemon.worker.engine.places import URGENCY, Places
from omlx_daemon.worker.engine.ports import BatchLostError, Runner, Sampled
from omlx_daemon.worker.engine.prefixes import Prefixes
from omlx_daemon.worker.engine.reading import Reading
from omlx_daemon.worker.engine.room import Room
from omlx_daemon.worker.engine.scheduler import Chunk, Scheduler
from omlx_daemon.worker.engine.sequence import Sequence
from omlx_daemon.worker.engine.tickets import Ticket, Tickets

log = logging.getLogger(__name__)

Item = tuple[str, Event]
"""A request's id and one of its events."""
CANCELLED = ErrorBody(code=Code.CANCELLED, message="the request was cancelled")


class Engine:
    """Owns every sequence from its admission to its one terminal event. One thread calls everything here.

    Failures stay with those they belong to: a failing prefill ends its own request, a failing batch step ends
    those in the batch, and the engine goes on with the others.
    """

    def __init__(
        self,
        runner: Runner,
        tickets: Tickets,
        max_running: int,
        stall_target_s: float,
        clock: Callable[[], float],
        prefixes: Prefixes | None = None,
    ) -> None:
        self._runner = runner
        self._prefixes = prefixes or Prefixes(Store(None, (), ""), "")
        self._tickets = tickets
        self._clock = clock
        self._pace = Pace(stall_target_s)
        self._room = Room(runner.shape)
        self._places = Places(max_running if runner.batches else 1, self._room)
        self._scheduler = Scheduler(self._pace)
        self._reading = Reading(runner, self._prefixes, self._pace, clock)
        self._running: dict[int, Sequence] = {}
        self._meter = Meter(clock())
        self._out: list[Item] = []
        self._has_prefilled = False

    @property
    def busy(self) -> bool:
        """Whether a tick has anything to do."""
        return bool(self._running or self._out) or len(self._scheduler) > 0

    @property
    def waits(self) -> bool:
        """Whether a tick could only look whether something has been read from disk meanwhile."""
        return not self._running and not self._out and not any(s.ready for s in self._scheduler.waiting)

    def admit(self, sequence: Sequence) -> None:
        """Take a sequence; its ticket belongs to the engine already."""
        sequence.ready = False
        self._scheduler.add(sequence)
        if sequence.echo_text:
            self._say(sequence, [Text(text=sequence.echo_text)])
        if sequence.max_tokens == 0 and not sequence.answers_nothing:
            self._end(sequence, sequence.finished(FinishReason.LENGTH, self._clock()))

    def bound(self, sequence: Sequence) -> None:
        """Fit a sequence into the memory that KV may take; any thread may. Raises OmlxError where it never fits."""
        self._room.bound(sequence)

    def look_up(self) -> list[Item]:
        """Look up new prompts where nothing runs, and return what is known of them before `tick` computes a chunk."""
        if not self._running:
            self._restore()
        return self._take()

    def tick(self) -> list[Item]:
        """Do one step; return the events it produced, in order."""
        self._drop_ended()
        began_s = self._clock()
        if self._running:
            self._decode()
        decoded_s = self._clock() - began_s
        self._make_room()
        self._restore()
        chunks = self._scheduler.next(self._clock(), bool(self._running))
        if self._running and not self._has_prefilled:
            self._pace.note_step(decoded_s)
        if chunks:
            self._prefill(chunks, decoded_s if self._has_prefilled else 0.0)
        self._has_prefilled = bool(chunks)
        self._prefixes.store.tick()
        self._meter.steps += 1
        return self._take()

    def rest(self) -> bool:
        """Do what the cache puts off, while there is nothing to compute; return whether there is more of it."""
        self._prefixes.store.tick()
        return self._prefixes.restless

    def abort(self) -> list[Item]:
        """Fail everything that is left, as the worker stops now; return the events."""
        for sequence in (*self._running.values(), *self._scheduler.waiting):
            self._fail(sequence, shutting_down().body)
        self._remove_running(tuple(self._running))
        return self._take()

    def trim(self) -> None:
        """Return memory that is free inside the process to the system."""
        try:
            self._runner.trim()
        except Exception:
            log.exception("returning memory failed")

    def limit_kv(self, size_bytes: int) -> None:
        """Bound what the KV of running requests may take; 0 is without a bound."""
        self._room.limit_bytes = size_bytes
        self._runner.limit_kv(size_bytes)

    def report(self) -> Report:
        """Return the figures of this moment."""
        report = self._meter.read(self._clock(), *self._counts(), self._runner.memory())
        expected_bytes = sum(map(self._room.need_bytes, self._holding()))
        return msgspec.structs.replace(report, kv_expected_bytes=expected_bytes, cache=self._prefixes.figures())

    def report_if_due(self) -> Report | None:
        """Return new figures after a change, and twice a second while there is work."""
        return self.report() if self._meter.due(self._clock(), *self._counts()) else None

    def _counts(self) -> tuple[int, int]:
        waiting = self._scheduler.waiting
        begun = sum(not sequence.waits for sequence in waiting)
        return len(self._running) + begun, len(waiting) - begun

    def _take(self) -> list[Item]:
        out, self._out = self._out, []
        return out

    def _drop_ended(self) -> None:
        """End those that were cancelled or ran out of time, wherever they stand."""
        now_s = self._clock()
        for sequence in (*self._running.values(), *self._scheduler.waiting):
            if error := _ended(sequence.ticket, now_s):
                self._fail(sequence, error)
        self._remove_running([uid for uid, sequence in self._running.items() if sequence.ended])

    def _decode(self) -> None:
        try:
            sampled = self._runner.step()
        except Exception as error:
            log.exception("a step of the batch failed", extra=_about(self._running.values()))
            self._lose_batch(error)
            return
        self._meter.decoded_tokens += len(sampled)
        now_s = self._clock()
        for row in sampled:
            self._take_token(self._running[row.uid], row, now_s)
        self._remove_running([row.uid for row in sampled if self._running[row.uid].ended])

    def _take_token(self, sequence: Sequence, row: Sampled, now_s: float) -> None:
        try:
            if row.fault:
                raise RuntimeError(row.fault)
            self._answer(sequence, row, now_s)
        except Exception as error:
            log.exception("choosing a token failed", extra=_about([sequence]))
            self._prefixes.drop(sequence)
            self._fail(sequence, _broken("choosing a token", error))

    def _answer(self, sequence: Sequence, row: Sampled, now_s: float) -> None:
        if sequence.generated_tokens == 0:
            sequence.first_token_s = now_s
        sequence.generated_tokens += 1
        sequence.said.append(row.token)
        self._prefixes.grew(sequence, row.token, partial(self._runner.source, row.uid))
        if row.token in sequence.stop_ids:
            self._finish(sequence, FinishReason.STOP, now_s)
            return
        self._say(sequence, sequence.answer.add(row.token, row.scores))
        if sequence.answer.ended:
            self._end(sequence, sequence.finished(FinishReason.STOP, now_s))
        elif row.complete:
            self._finish(sequence, FinishReason.STOP, now_s)
        elif sequence.generated_tokens >= sequence.max_tokens:
            self._finish(sequence, FinishReason.LENGTH, now_s)

    def _finish(self, sequence: Sequence, reason: FinishReason, now_s: float) -> None:
        self._say(sequence, sequence.answer.end())
        reason = FinishReason.STOP if sequence.answer.stop_text else reason
        self._end(sequence, sequence.finished(reason, now_s))

    def _holding(self) -> list[Sequence]:
        return [*self._running.values(), *(s for s in self._scheduler.waiting if s.placed)]

    def _make_room(self) -> None:
        """Have those step back that came last, the least urgent first, where answers outgrow what was expected."""
        while self._room.is_exceeded(holding := self._holding()):
            self._step_back(max(holding, key=lambda s: (URGENCY[s.ticket.priority], s.started_s, s.ticket.uid)))

    def _step_back(self, sequence: Sequence) -> None:
        self._prefixes.finish(sequence, partial(self._source, sequence))
        if not sequence.joined:
            sequence.step_back(sequence.choosing)
            return
        del self._running[sequence.ticket.uid]
        self._scheduler.add(sequence)
        try:
            sequence.step_back(self._runner.suspend(sequence.ticket.uid))
        except Exception as error:
            log.exception("taking a row out of the batch failed", extra=_about([sequence, *self._running.values()]))
            self._lose_batch(error, sequence)

    def _restore(self) -> None:
        """Give places, and look up those prompts; what is stored of them is brought while others go on."""
        waiting = [sequence for sequence in self._scheduler.waiting if not sequence.placed]
        if waiting:
            for sequence in self._places.give(waiting, self._holding(), self._clock()):
                sequence.placed = True
                self._prefixes.match(sequence)
        for sequence in self._prefixes.advance(bool(self._running)):
            self._progress(sequence)

    def _prefill(self, chunks: list[Chunk], waited_s: float) -> None:
        """Compute chunks; the decode step under way was waited for during `waited_s` already."""
        step_s = self._pace.step_s - waited_s if self._running else 0.0
        sequences = [chunk.sequence for chunk in chunks]
        try:
            self._advance(chunks, step_s)
        except BatchLostError as error:
            self._lose_batch(error, *sequences)
        except Exception as error:
            log.exception("reading a prompt failed", extra=_about(sequences))
            self._prefill_failed(sequences, error)
        self._meter.prefilled_tokens += sum(chunk.tokens for chunk in chunks)

    def _advance(self, chunks: list[Chunk], step_s: float) -> None:
        """Compute one chunk each, and let those whose prompts are done join the batch."""
        prefill = self._reading.advance(chunks, step_s)
        sequences = [chunk.sequence for chunk in chunks]
        for sequence in sequences:
            self._progress(sequence)
        if sequences[0].remaining_tokens:
            return
        if sequences[0].answers_nothing:
            self._end(sequences[0], self._reading.computed(prefill, sequences[0]))
            return
        prefill.join([sequence.prompt[-1] for sequence in sequences])
        for sequence in sequences:
            self._scheduler.remove(sequence)
            sequence.prefill, sequence.joined, sequence.choosing = None, True, None
            self._running[sequence.ticket.uid] = sequence

    def _progress(self, sequence: Sequence) -> None:
        if sequence.generated_tokens:
            return
        total = len(sequence.prompt)
        event = Prefill(
            done_tokens=sequence.done_tokens if sequence.remaining_tokens else total,
            total_tokens=total,
            cached_hot_tokens=sequence.cached_hot_tokens,
            cached_cold_tokens=sequence.cached_cold_tokens,
            miss=None if sequence.is_told else sequence.miss,
        )
        sequence.is_told = True
        self._out.append((sequence.ticket.id, event))

    def _prefill_failed(self, sequences: list[Sequence], error: Exception) -> None:
        """Fail the one, or let each of a group try again alone, so that only the culprit fails."""
        if len(sequences) == 1:
            self._prefixes.drop(sequences[0])
            self._fail(sequences[0], _broken("reading the prompt", error))
            return
        for sequence in sequences:
            sequence.prefill, sequence.done_tokens, sequence.alone = None, 0, True

    def _lose_batch(self, error: Exception, *joining: Sequence) -> None:
        """Fail every row of the batch and start with an empty one; those in line are untouched."""
        for sequence in (*self._running.values(), *joining):
            self._prefixes.drop(sequence)
            self._fail(sequence, _broken("a step of the batch", error))
        self._running.clear()
        self._runner.reset()

    def _remove_running(self, uids: Collection[int]) -> None:
        if not uids:
            return
        for uid in uids:
            del self._running[uid]
        try:
            self._runner.remove(uids)
        except Exception as error:
            log.exception("shrinking the batch failed", extra=_about(self._running.values()))
            self._lose_batch(error)

    def _source(self, sequence: Sequence) -> object | None:
        """Return the live model cache of a sequence that prefills alone or decodes."""
        if sequence.joined:
            return self._runner.source(sequence.ticket.uid)
        return sequence.prefill.source(0) if sequence.prefill and sequence.done_tokens else None

    def _say(self, sequence: Sequence, pieces: Iterable[Event]) -> None:
        self._out.extend((sequence.ticket.id, piece) for piece in pieces)

    def _fail(self, sequence: Sequence, error: ErrorBody) -> None:
        self._end(sequence, sequence.failed(error, self._clock()))

    def _end(self, sequence: Sequence, event: Terminal) -> None:
        """Give a sequence its terminal event, once; a running row is removed by the caller, with others."""
        if sequence.ended:
            return
        if sequence.generated_tokens:
            self._room.learn(sequence.generated_tokens)
        self._prefixes.finish(sequence, partial(self._source, sequence))
        sequence.ended, sequence.prefill, sequence.restored = True, None, None
        if sequence.ticket.uid not in self._running:
            self._scheduler.remove(sequence)
        if self._tickets.close(sequence.ticket):
            self._out.append((sequence.ticket.id, event))


def _about(sequences: Iterable[Sequence]) -> dict[str, str]:
    return about(*(sequence.ticket.id for sequence in sequences))


def _ended(ticket: Ticket, now_s: float) -> ErrorBody | None:
    if ticket.cancelled:
        return CANCELLED
    if now_s >= ticket.deadline_s:
        return timed_out().body
    return None


def _broken(doing: str, error: Exception) -> ErrorBody:
    return ErrorBody(
        code=Code.GENERATION_FAILED,
        message=f"{doing} failed: {type(error).__name__}: {error}".splitlines()[0],
        hint="other requests are not affected; the log says more",
    )
