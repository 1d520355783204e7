"""Prompts on their way into the KV cache."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

import msgspec

from omlx_daemon.core.events import Finished, FinishReason
from omlx_daemon.worker.engine.pace import Pace
from omlx_daemon.worker.engine.ports import Prefill, Runner
from omlx_daemon.worker.engine.prefixes import Prefixes
from omlx_daemon.worker.engine.scheduler import Chunk
from omlx_daemon.worker.engine.sequence import Sequence

_LEAST = 0.25
"""A chunk that seems to have taken a smaller share of the time in which it was waited for says nothing."""


class Reading:
    """Computes chunks, keeps what they add to prefixes, and learns what they cost."""

    def __init__(self, runner: Runner, prefixes: Prefixes, pace: Pace, clock: Callable[[], float]) -> None:
        self._runner = runner
        self._prefixes = prefixes
        self._pace = pace
        self._clock = clock

    def advance(self, chunks: list[Chunk], step_s: float) -> Prefill:
        """Compute one chunk each; all or none are done. What raises harms these rows alone.

        `step_s` is what is left of the decode step under way, which the device finishes first.
        """
        sequences, started_s = [chunk.sequence for chunk in chunks], self._clock()
        prefill = sequences[0].prefill or self._begin(sequences, started_s)
        if chunks[0].tokens:
            prefill.advance([c.sequence.prompt[c.sequence.done_tokens :][: c.tokens] for c in chunks])
            self._note_pace(chunks, self._clock() - started_s, step_s)
        for number, chunk in enumerate(chunks):
            chunk.sequence.done_tokens += chunk.tokens
            self._prefixes.commit(chunk.sequence, partial(prefill.source, number))
        return prefill

    def computed(self, prefill: Prefill, sequence: Sequence) -> Finished:
        """Return the end of a request that wanted its prompt alone."""
        finished = sequence.finished(FinishReason.STOP, self._clock())
        if sequence.cache.compare:
            differences = self._prefixes.compare(sequence, prefill.source(0))
            return msgspec.structs.replace(finished, differences=differences)
        is_kept = sequence.lease is not None and sequence.lease.is_recording
        blocks = sequence.lease.hashes if sequence.lease and is_kept else ()
        return msgspec.structs.replace(finished, blocks=blocks)

    def _begin(self, sequences: list[Sequence], now_s: float) -> Prefill:
        first = sequences[0]
        if first.restored is not None:
            prefill = self._runner.resume(first.row, first.restored, first.done_tokens)
            first.restored = None
        else:
            prefill = self._runner.start([sequence.row for sequence in sequences])
        for sequence in sequences:
            sequence.prefill = prefill
            if sequence.started_s < 0:
                sequence.started_s = now_s
        return prefill

    def _note_pace(self, chunks: list[Chunk], took_s: float, step_s: float) -> None:
        self._prefixes.store.observe_prefill(sum(chunk.tokens for chunk in chunks), took_s)
        longest = max(chunk.tokens for chunk in chunks)
        span_tokens = chunks[0].sequence.done_tokens + longest / 2
        chunk_s = took_s - step_s
        if chunk_s > _LEAST * took_s:
            self._pace.note_chunk(longest * len(chunks), span_tokens, chunk_s)
