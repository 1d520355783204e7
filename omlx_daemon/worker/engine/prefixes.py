"""The engine's use of the prefix cache: one lease for each sequence, from its turn to its end.

Nothing that goes wrong in the cache reaches a request: it is computed as if nothing were stored.
"""

from __future__ import annotations

import logging
from collections.abc import Callable

from omlx_cli.contract.cache import ModelCacheFigures
from omlx_daemon.core.entries import about
from omlx_daemon.worker.cache.lease import Lease, LeaseOptions, LeaseState
from omlx_daemon.worker.cache.store import Store
from omlx_daemon.worker.engine.sequence import Sequence
from omlx_daemon.worker.explain.verdict import Found
from omlx_daemon.worker.explain.witness import Beside
from omlx_daemon.worker.figures import figures

log = logging.getLogger(__name__)

MOVE_BYTES = 64 << 20
"""Moved into a model cache between two decode steps at most."""
NOT_READ = -1.0
Compare = Callable[[str, int, object], float]
"""Returns how far a stored block, by file name and end, is from a live model cache; `NOT_READ` where that cannot be
told."""


class Prefixes:
    """Leases on one store. Engine thread only."""

    def __init__(self, store: Store, model: str, compare: Compare | None = None) -> None:
        """Serve the sequences of `model` from `store`; `compare` reads a stored block and compares it."""
        self.store = store
        self._model = model
        self._compare = compare
        self._restoring: list[Sequence] = []

    @property
    def restless(self) -> bool:
        """Whether something waits to be written, so that `tick` and figures are worth a moment of an idle engine."""
        found = self.store.stats()
        return found.deferred_parts > 0 or any(tier.queued_parts for tier in found.tiers)

    def figures(self) -> ModelCacheFigures:
        """Return what the cache did so far."""
        return figures(self._model, self.store.stats())

    def match(self, sequence: Sequence) -> None:
        """Look up a prompt; `advance` returns the sequence when it is ready."""
        policy = sequence.cache
        if policy.compare:
            sequence.ready = True
            return
        options = LeaseOptions(store=not policy.no_store, boundaries=sequence.boundaries)
        try:
            sequence.lease = self.store.match(sequence.prompt, salt=policy.salt, options=options)
        except Exception:
            log.exception("looking up a prefix failed", extra=about(sequence.ticket.id))
            sequence.ready = True
        else:
            self._restoring.append(sequence)

    def advance(self, decoding: bool) -> list[Sequence]:
        """Go on with what is being restored, never waiting for a disk; return those that are ready now."""
        budget_bytes = MOVE_BYTES if decoding else None
        ready = [sequence for sequence in self._restoring if self._is_ready(sequence, budget_bytes)]
        self._restoring = [sequence for sequence in self._restoring if not sequence.ready and not sequence.ended]
        return [sequence for sequence in ready if not sequence.ended]

    def grew(self, sequence: Sequence, token: int, source: Callable[[], object]) -> None:
        """Take note of a generated token, which is in the live cache already."""
        if sequence.lease is not None and sequence.lease.is_recording:
            sequence.lease.extend([token])
            self.commit(sequence, source)

    def commit(self, sequence: Sequence, source: Callable[[], object]) -> None:
        """Keep what a sequence has computed up to now; `source` gives its live model cache."""
        lease, position = sequence.lease, sequence.position
        if lease is None or not lease.is_recording or (sequence.joined and not lease.is_due(position)):
            return
        try:
            lease.commit(source(), position)
        except Exception:
            log.exception("keeping a prefix failed", extra=about(sequence.ticket.id))
            self.drop(sequence)

    def finish(self, sequence: Sequence, source: Callable[[], object | None]) -> None:
        """Keep the rest and end the lease; `source` gives None where no live cache is left."""
        lease = sequence.lease
        if sequence.witness is not None:
            sequence.witness.end([*sequence.prompt, *sequence.said], sequence.prompt_tokens)
        if lease is None:
            return
        try:
            lease.finish(source() if lease.is_recording else None, sequence.position)
        except Exception:
            log.exception("keeping a prefix failed", extra=about(sequence.ticket.id))
            self.drop(sequence)

    def compare(self, sequence: Sequence, source: object) -> tuple[float, ...]:
        """Return how far the stored blocks that a sequence names are from `source`, its live model cache.

        `NOT_READ` for those whose names do not stand for the sequence's tokens.
        """
        return tuple(self._distance(sequence, filename, end, source) for filename, end in sequence.cache.compare)

    def drop(self, sequence: Sequence) -> None:
        """End a lease and keep nothing more: the live cache is not to be trusted."""
        if sequence.lease is not None:
            sequence.lease.release()

    def _distance(self, sequence: Sequence, filename: str, end: int, source: object) -> float:
        if self._compare is None or not filename.startswith(
            self.store.hash_of(sequence.prompt[:end], sequence.cache.salt_digest).hex()
        ):
            return NOT_READ
        return self._compare(filename, end, source)

    def _is_ready(self, sequence: Sequence, budget_bytes: int | None) -> bool:
        lease = sequence.lease
        if lease is None or sequence.ended:
            return not sequence.ended
        try:
            if lease.poll(budget_bytes) is not LeaseState.READY:
                return False
            self._restore(sequence, lease)
        except Exception:
            log.exception("restoring a prefix failed", extra=about(sequence.ticket.id))
            self.drop(sequence)
        sequence.ready = True
        return True

    def _restore(self, sequence: Sequence, lease: Lease) -> None:
        restored = lease.restore()
        sequence.restored = restored.cache
        sequence.done_tokens = restored.tokens
        if sequence.generated_tokens:
            return
        sequence.cached_hot_tokens = restored.by_tier.get("hot", 0)
        sequence.cached_cold_tokens = restored.tokens - sequence.cached_hot_tokens
        if sequence.witness is not None:
            found = Found(
                restored.stop,
                sequence.prompt_tokens,
                restored.tokens,
                lease.plan.reach,
                lease.block_at(restored.tokens),
            )
            sequence.miss = sequence.witness.miss(found, lambda: _beside(lease))


def _beside(lease: Lease) -> Beside | None:
    found = lease.beside()
    return Beside(*found) if found else None
