"""One sequence's claim on the cache: what it may reuse, and what it leaves behind.

A lease waits for another sequence's prefill, loads, is restored, records, and ends. Engine thread only.
"""

from __future__ import annotations

import time
from collections.abc import Iterable
from dataclasses import dataclass, field
from enum import StrEnum
from typing import TYPE_CHECKING

from omlx_daemon.coldstore.names import BLOCK_TOKENS
from omlx_daemon.worker.cache.checkpoints import Checkpoints
from omlx_daemon.worker.cache.hashing import Chain, common_tokens
from omlx_daemon.worker.cache.lineage import Turn
from omlx_daemon.worker.cache.loading import Loading
from omlx_daemon.worker.cache.payload import Unusable
from omlx_daemon.worker.cache.plan import Plan, Stop
from omlx_daemon.worker.cache.recording import Recorder

if TYPE_CHECKING:
    from omlx_daemon.worker.cache.store import Store


class LeaseState(StrEnum):
    """Where a lease is in its life."""

    WAITING = "waiting"
    """Another sequence is computing what this one needs next."""
    LOADING = "loading"
    READY = "ready"
    """`restore` may be called."""
    RESTORED = "restored"
    ENDED = "ended"


@dataclass(frozen=True, slots=True)
class Restored:
    """What a sequence starts from."""

    tokens: int
    """Prompt tokens that need not be computed."""
    cache: object | None
    """The model cache that holds them; None where there are none."""
    by_tier: dict[str, int] = field(default_factory=dict)
    """The reused tokens by the tier they came from."""
    stop: Stop = Stop.NO_ENTRY


@dataclass(frozen=True, slots=True)
class LeaseOptions:
    """How one request uses the cache."""

    store: bool = True
    """Whether what it computes is kept."""
    share: bool = True
    """Whether it may wait for another sequence that computes the same."""
    boundaries: tuple[int, ...] = ()
    """Prompt positions that other prompts are likely to share: the ends of system prompt and tools."""
    headroom_tokens: int = BLOCK_TOKENS


class Lease:
    """Made by `Store.match`. Ends by `finish` or `release`; ending twice does no harm."""

    def __init__(self, store: Store, chain: Chain, options: LeaseOptions) -> None:
        self._store, self._chain, self._options = store, chain, options
        self._prompt_tokens = len(chain)
        self._recorder: Recorder | None = None
        self._awaited: tuple[Lease, int] | None = None
        self._loading: Loading | None = None
        self._last_plan = Plan(0, 0, Stop.OFF)
        self._before: tuple[Turn, ...] = ()
        self.state = LeaseState.LOADING
        self._begin(options.share)

    @property
    def plan(self) -> Plan:
        """What is going to be reused, as far as it is known now."""
        return self._loading.plan if self._loading else self._last_plan

    @property
    def prompt_tokens(self) -> int:
        """Tokens that were asked for."""
        return self._prompt_tokens

    @property
    def is_recording(self) -> bool:
        """Whether what this sequence computes is kept."""
        return self._recorder is not None

    @property
    def hashes(self) -> tuple[bytes, ...]:
        """The hashes of all blocks of the sequence, its tail the last."""
        tail = len(self._chain) % BLOCK_TOKENS
        ends = [*range(BLOCK_TOKENS, len(self._chain) + 1, BLOCK_TOKENS), *([len(self._chain)] if tail else [])]
        return tuple(self._chain.ending_at(end).hash for end in ends)

    def block_at(self, position: int) -> bytes:
        """Return the hash of the full block that holds `position`, empty where the tokens end before its end."""
        block = position // BLOCK_TOKENS
        return self._chain.hash_of(block) if block < self._chain.blocks else b""

    def beside(self) -> tuple[bytes, bytes] | None:
        """Return the packed ids of the block in which the tokens leave what is stored, and those of the stored block
        that begins most like it; None where none is known."""
        block = self.plan.reach // BLOCK_TOKENS
        own = self._chain.ids_of(block) if block <= self._chain.blocks else b""
        others = (
            [ids for ids in self._store.following(self._chain.parent(block)) if not own.startswith(ids)] if own else []
        )
        return (own, max(others, key=lambda ids: common_tokens(ids, own))) if others else None

    @property
    def awaited(self) -> Lease | None:
        """The lease of the sequence that this one waits for."""
        return self._awaited[0] if self.state is LeaseState.WAITING and self._awaited else None

    @property
    def position(self) -> int:
        """Tokens of this sequence that are stored."""
        return self._recorder.position if self._recorder else 0

    def poll(self, budget_bytes: int | None = None) -> LeaseState:
        """Go on without waiting for a disk; call it each tick until READY. Moves about `budget_bytes` at most."""
        if self.state is LeaseState.WAITING and not self._is_waiting():
            self._begin(share=True)
        if self.state is LeaseState.LOADING and (self._loading is None or self._loading.advance(budget_bytes)):
            self.state = LeaseState.READY
        return self.state

    def proceed(self) -> None:
        """Wait for no other sequence any more: take what is stored now and compute the rest."""
        if self.state is LeaseState.WAITING:
            self._begin(share=False)

    def restore(self) -> Restored:
        """Return the model cache to start from. Once, when READY; `commit` may follow."""
        loading, plan = self._loading, self.plan
        began_s = time.monotonic()
        cache = loading.finish() if loading else None
        stop = Stop.LOST if loading and loading.lost and plan.stop is not Stop.COMPLETE else plan.stop
        restored = Restored(plan.position, cache, loading.by_tier() if loading else {}, stop)
        if self._recorder is not None:
            self._recorder.position = restored.tokens
        if restored.tokens:
            self._before = self._store.lineage.resume(self._chain.ending_at(restored.tokens).hash)
        took_s = time.monotonic() - began_s + (loading.spent_s if loading else 0.0)
        self._store.count(self._prompt_tokens, restored, took_s)
        self._store.complete(plan, self._chain)
        self._drop_loading()
        self.state = LeaseState.RESTORED
        return restored

    def stop_after(self, position: int) -> int | None:
        """Return where a prefill chunk that begins at `position` must end at the latest, None for anywhere.

        Models with recurrent state can be kept at exactly these positions only.
        """
        return self._recorder.checkpoints.after(position) if self._recorder and self._store.needs_stops else None

    def is_due(self, position: int) -> bool:
        """Return whether `commit` would store anything; cheap enough for every decode step."""
        return self._recorder is not None and self._recorder.is_due(position)

    def extend(self, tokens: Iterable[int]) -> None:
        """Append generated tokens that are in the model cache or about to be."""
        if self.state is not LeaseState.ENDED:
            self._chain.extend(tokens)

    def commit(self, source: object, position: int) -> None:
        """Keep what `source`, the live model cache with `position` tokens, has more than last time.

        Raises ValueError where `extend` was not told of the tokens.
        """
        if self._recorder is not None and position > self._recorder.position:
            self._record(source, position, ends=False)

    def finish(self, source: object | None, position: int) -> None:
        """Keep the rest, the tail too, and end. Also for an aborted sequence; None where no cache is left.

        Raises ValueError where `extend` was not told of the tokens.
        """
        if self._recorder is not None and source is not None and position:
            self._record(source, position, ends=True)
        if self._recorder is not None and self._store.needs_checkpoints:
            self._store.supersede(self._store.lineage.end(self._before, self._recorder.turn))
        self.release()

    def release(self) -> None:
        """End. What was committed stays."""
        if self.state is not LeaseState.ENDED:
            self.state = LeaseState.ENDED
            self._drop_loading()
            self._recorder = None
            self._store.ended(self)

    def _begin(self, share: bool) -> None:
        """Plan anew, and either wait for another sequence or load."""
        self._drop_loading()
        self._awaited = None
        self._loading = self._store.loading(self._chain, self._options.headroom_tokens)
        if self._loading is None:
            self.state = LeaseState.READY
            return
        if share:
            self._awaited = self._store.ahead(self, self._chain, self.plan)
        if self._awaited is not None:
            self._drop_loading()
            self.state = LeaseState.WAITING
            return
        self.state = LeaseState.LOADING
        if self._options.store:
            self._start_recording()

    def _is_waiting(self) -> bool:
        if self._awaited is None:
            return False
        other, target = self._awaited
        return other.is_recording and other.position < target

    def _start_recording(self) -> None:
        plan = self.plan
        branch = (plan.reach,) if plan.reach > plan.position else ()
        checkpoints = Checkpoints(self._prompt_tokens, (*self._options.boundaries, *branch))
        self._recorder = self._store.recorder(self, self._chain, checkpoints, plan.position)

    def upcoming(self, shared_tokens: int) -> int:
        """Return up to where of the first `shared_tokens` a lease behind this one will find it restorable."""
        if self._recorder is None:
            return 0
        if not self._store.needs_checkpoints:
            return shared_tokens
        if self._recorder.position < shared_tokens <= self._recorder.checkpoints.prompt_end:
            self._recorder.checkpoints.add(shared_tokens)
        return self._recorder.checkpoints.last_up_to(shared_tokens)

    def shared_tokens(self, chain: Chain) -> int:
        """Return how many leading tokens of `chain` this sequence's prompt shares, to the block, or all of it."""
        blocks = self._chain.shared_blocks(chain)
        shared = blocks * BLOCK_TOKENS
        end = min(self._prompt_tokens, len(chain)) - 1
        if shared <= end < shared + BLOCK_TOKENS and self._chain.ending_at(end).hash == chain.ending_at(end).hash:
            return end if end == self._prompt_tokens - 1 else shared
        return shared

    def _record(self, source: object, position: int, ends: bool) -> None:
        assert self._recorder is not None
        if position > len(self._chain):
            raise ValueError(f"{position} tokens are more than the {len(self._chain)} that the lease was told of")
        try:
            self._recorder.commit(source, position, ends)
        except Unusable as error:
            self._recorder = None
            self._store.turn_off(str(error))

    def _drop_loading(self) -> None:
        if self._loading is not None:
            self._last_plan = self._loading.plan
            self._loading.release()
            self._loading = None
