"""The face of the prefix cache: what the engine calls. Names no tier."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable, Sequence

from omlx_daemon.coldstore.names import BLOCK_TOKENS, BlockName
from omlx_daemon.worker.cache.checkpoints import Checkpoints
from omlx_daemon.worker.cache.gate import Gate
from omlx_daemon.worker.cache.hashing import Chain, Image, digest_of, root
from omlx_daemon.worker.cache.index import Index
from omlx_daemon.worker.cache.inflight import InFlight
from omlx_daemon.worker.cache.lease import Lease, LeaseOptions, Restored
from omlx_daemon.worker.cache.lineage import Lineage
from omlx_daemon.worker.cache.loading import Loading
from omlx_daemon.worker.cache.payload import Codec
from omlx_daemon.worker.cache.plan import Plan
from omlx_daemon.worker.cache.recording import Recorder
from omlx_daemon.worker.cache.shelf import Shelf
from omlx_daemon.worker.cache.stats import Counters, StoreStats
from omlx_daemon.worker.cache.tier import Dropped, Tier

LOG = logging.getLogger(__name__)
_SWEEP_ABOVE = 1 << 16


class Store:
    """One model's prefix cache. Every call is the engine thread's, and none but `flush` and `close` waits."""

    def __init__(
        self,
        codec: Codec | None,
        tiers: Sequence[Tier],
        fingerprint: str,
        *,
        wake: Callable[[], None] = lambda: None,
        off: str = "",
    ) -> None:
        """Cache for the model that `fingerprint` names, in `tiers`, the fastest first.

        `wake` is called on any thread when a lease that loads can go on. Without a codec nothing is cached; `off`
        says why.
        """
        self._codec, self._fingerprint, self._wake = codec, fingerprint, wake
        self._off = off or ("" if codec and tiers else "there is nowhere to keep anything")
        self._shelf = Shelf(tiers)
        self._index = Index()
        self._gate = Gate()
        self._in_flight: InFlight[Lease] = InFlight()
        self._counters = Counters()
        self.lineage = Lineage()
        self._pins: dict[str, frozenset[bytes]] = {}
        self._sweep_above = _SWEEP_ABOVE
        for tier in tiers:
            self.learn(tier.names())

    def match(
        self,
        tokens: Sequence[int],
        *,
        salt: str = "",
        images: Sequence[Image] = (),
        options: LeaseOptions | None = None,
    ) -> Lease:
        """Return a lease on what is stored of this prompt. Raises ValueError for a token id that is none."""
        return Lease(self, self._chain(tokens, digest_of(salt), images), options or LeaseOptions())

    def hash_of(self, tokens: Sequence[int], salt_digest: str = "") -> bytes:
        """Return the hash of the block, full or a tail, that ends these tokens, with the salt of this digest."""
        return self._chain(tokens, salt_digest).ending_at(len(tokens)).hash

    def learn(self, names: Iterable[BlockName]) -> None:
        """Take note of blocks that lie in a tier and were not stored here."""
        for name in names:
            self._index.add(name.hash, name.parent, name.tokens)

    def tick(self) -> None:
        """Do what was put off: let go to disk what is copied by now, offer again what found no room. Once each tick."""
        self._seal(all_of_them=False)
        self._shelf.retry()

    def observe_prefill(self, tokens: int, seconds: float) -> None:
        """Note how long a piece of prefill took, for the gate and for the time saved."""
        self._gate.observe_prefill(tokens, seconds)

    def pin(self, name: str, tokens: Sequence[int], salt: str = "") -> None:
        """Keep this prefix, its full blocks and its tail, under `name` from eviction in memory."""
        chain = self._chain(tokens, digest_of(salt))
        tail = [chain.ending_at(len(chain)).hash] if len(chain) else []
        self._pins[name] = frozenset([*(chain.hash_of(block) for block in range(chain.blocks)), *tail])
        self._apply_pins()

    def pin_blocks(self, name: str, hashes: frozenset[bytes]) -> None:
        """Keep these blocks under `name` from eviction in memory, and no others."""
        self._pins[name] = hashes
        self._apply_pins()

    def unpin(self, name: str) -> bool:
        """Let go of a pinned prefix; return whether there was one."""
        found = self._pins.pop(name, None) is not None
        self._apply_pins()
        return found

    def resize_hot(self, capacity_bytes: int) -> None:
        """Set the bound of what lies in memory, evicting what is over it."""
        for tier in self._shelf:
            tier.resize(capacity_bytes)

    def evict_hot(self, size_bytes: int) -> int:
        """Free memory; return the bytes freed."""
        return sum(tier.evict(size_bytes) for tier in self._shelf)

    def invalidate(self) -> None:
        """Forget everything. Files are the ledger's to delete."""
        self._index.clear()
        for tier in self._shelf:
            tier.clear()

    def turn_off(self, reason: str) -> None:
        """Cache nothing from now on: the model's arrays are not what they were taken for."""
        if not self._off:
            LOG.warning("the prefix cache is off: %s", reason)
            self._off = reason

    def stats(self) -> StoreStats:
        """Return the figures of now."""
        counters = self._counters
        return StoreStats(
            requests=counters.requests,
            requested_tokens=counters.requested_tokens,
            reused_tokens=dict(counters.reused_tokens),
            recomputed_tokens=counters.recomputed_tokens,
            saved_s=counters.saved_s,
            restore_s=counters.restore_s,
            stops=dict(counters.stops),
            known_blocks=len(self._index),
            deferred_parts=self._shelf.deferred,
            prefill_tokens_per_s=self._gate.prefill_tokens_per_s,
            read_bytes_per_s=self._gate.read_bytes_per_s,
            off=self._off,
            tiers=tuple(tier.stats() for tier in self._shelf),
        )

    def flush(self, deadline_s: float) -> Dropped:
        """Write what waits to be written; return what is not done by the deadline."""
        self._seal(all_of_them=True)
        return _sum([tier.flush(deadline_s) for tier in self._shelf])

    def close(self, deadline_s: float) -> Dropped:
        """Flush, end the tiers' threads and let go of everything; return what was given up."""
        self._off = self._off or "closed"
        self._seal(all_of_them=True)
        return _sum([tier.close(deadline_s) for tier in self._shelf])

    # What follows is for leases.

    @property
    def needs_stops(self) -> bool:
        """Whether prefill has to stop exactly at checkpoints."""
        return self._codec is not None and self._codec.needs.state

    @property
    def needs_checkpoints(self) -> bool:
        """Whether rows alone do not make a prefix restorable."""
        return self._codec is not None and (self._codec.needs.state or bool(self._codec.needs.windows))

    def loading(self, chain: Chain, headroom_tokens: int) -> Loading | None:
        """Return a restore of what is stored of `chain`, None where nothing is cached."""
        if self._codec is None or self._off:
            return None
        room = -(-(len(chain) + headroom_tokens) // BLOCK_TOKENS) * BLOCK_TOKENS
        return Loading(chain, self._index, self._shelf, self._codec, self._gate, wake=self._wake, capacity_tokens=room)

    def following(self, digest: bytes) -> list[bytes]:
        """Return the token ids, as far as they are known, of blocks that continue the one with this hash."""
        return [node.ids for node in self._index.children(digest) if node.ids]

    def ahead(self, lease: Lease, chain: Chain, plan: Plan) -> tuple[Lease, int] | None:
        """Return the lease that computes what `lease` needs next, and the position to wait for."""
        block = plan.position // BLOCK_TOKENS
        if len(chain) < 2 or plan.position >= len(chain) - 1:
            return None
        following = chain.hash_of(block) if block < chain.blocks else chain.ending_at(len(chain) - 1).hash
        other = self._in_flight.owner(following)
        if other is None or other is lease:
            return None
        target = other.upcoming(min(other.shared_tokens(chain), len(chain) - 1))
        return (other, target) if target > max(plan.position, other.position) else None

    def recorder(self, lease: Lease, chain: Chain, checkpoints: Checkpoints, position: int) -> Recorder | None:
        """Return what keeps the work of `lease`, announcing the blocks that it is going to compute."""
        if self._codec is None or self._off:
            return None
        coming = [chain.hash_of(block) for block in range(position // BLOCK_TOKENS, chain.blocks)]
        if len(chain) > 1:
            coming.append(chain.ending_at(len(chain) - 1).hash)
        self._in_flight.announce(lease, coming)
        return Recorder(
            chain,
            self._index,
            self._shelf,
            self._codec,
            checkpoints,
            lambda digest: self._in_flight.done(lease, digest),
            position,
        )

    def ended(self, lease: Lease) -> None:
        """Take note that a lease computes nothing any more."""
        self._in_flight.leave(lease)
        if len(self._index) > self._sweep_above:
            self._index.sweep(self._shelf.holds)
            self._sweep_above = max(_SWEEP_ABOVE, 2 * len(self._index))

    def count(self, prompt_tokens: int, restored: Restored, restore_s: float) -> None:
        """Count a request."""
        saved_s = self._gate.compute_s(restored.tokens)
        self._counters.add(prompt_tokens, restored.by_tier, restored.stop.value, restore_s, saved_s)

    def complete(self, plan: Plan, chain: Chain) -> None:
        """See to it that what `chain` used and is at hand gets into the tiers that lack it."""
        used = [(piece, self._index.get(piece.held.name.hash)) for piece in plan.pieces if piece.held.at_hand]
        self._shelf.complete(
            (piece.held.name, node.ids, chain.salt_digest_at(piece.start)) for piece, node in used if node
        )

    def supersede(self, names: list[BlockName]) -> None:
        """Give up parts that newer ones replace."""
        if names:
            self._shelf.supersede(names)

    def _chain(self, tokens: Sequence[int], salt_digest: str, images: Sequence[Image] = ()) -> Chain:
        return Chain(root(self._fingerprint, salt_digest), tokens, images, salt_digest=salt_digest)

    def _seal(self, all_of_them: bool) -> None:
        if self._codec is not None:
            self._codec.seal(all_of_them)

    def _apply_pins(self) -> None:
        hashes = frozenset().union(*self._pins.values())
        for tier in self._shelf:
            tier.pin(hashes)


def _sum(dropped: Sequence[Dropped]) -> Dropped:
    return Dropped(sum(item.parts for item in dropped), sum(item.size_bytes for item in dropped))
