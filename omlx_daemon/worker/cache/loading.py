"""Bringing a planned prefix into a model cache: parts at hand at once, others as they are read.

Buffers are filled by the tiers' threads and emptied here, on the engine thread, a little every tick.
"""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, replace

from omlx_daemon.coldstore import metadata
from omlx_daemon.coldstore.names import BLOCK_TOKENS, BlockName, Part
from omlx_daemon.worker.cache.gate import Gate
from omlx_daemon.worker.cache.hashing import Chain, block_hash
from omlx_daemon.worker.cache.index import Index
from omlx_daemon.worker.cache.payload import Assembly, Block, Codec, Payload, Span, Unusable
from omlx_daemon.worker.cache.plan import Piece, Plan, Stop, plan
from omlx_daemon.worker.cache.shelf import Shelf
from omlx_daemon.worker.cache.tier import Failure, Outcome, Tier

MAX_PROBES = 8


@dataclass(slots=True)
class _Fetched:
    piece: Piece
    payload: Payload
    ids: bytes | None
    loaded: bool


class Loading:
    """One restore on its way. Engine thread only; the tiers' threads call back into two queues."""

    def __init__(
        self,
        chain: Chain,
        index: Index,
        shelf: Shelf,
        codec: Codec,
        gate: Gate,
        *,
        wake: Callable[[], None],
        capacity_tokens: int,
    ) -> None:
        """Plan and begin. `wake` is called on any thread when there is something for `advance` to do."""
        self._chain, self._index, self._shelf, self._codec, self._gate = chain, index, shelf, codec, gate
        self._wake, self._capacity_tokens = wake, capacity_tokens
        self._since = shelf.now + 1
        self._assembly: Assembly | None = None
        self._todo: deque[Piece] = deque()
        self._waiting: dict[BlockName, Piece] = {}
        self._fetched: deque[_Fetched] = deque()
        self._arrived: deque[tuple[BlockName, Outcome]] = deque()
        self._probed: deque[dict[bytes, bytes]] = deque()
        self._probes = 0
        self._leased: dict[BlockName, tuple[Tier, Payload]] = {}
        self._kept: dict[BlockName, Payload] = {}
        self._placed: dict[int, int] = {}
        self._origin: dict[tuple[Part, int], str] = {}
        self._read_bytes = 0
        self._read_began_s = 0.0
        self.lost = False
        """Whether a part turned out to be missing or damaged."""
        began_s = time.monotonic()
        self.plan = self._replan()
        self._probe()
        self.spent_s = time.monotonic() - began_s
        """Time of the engine thread."""

    def advance(self, budget_bytes: int | None = None) -> bool:
        """Go on without waiting, moving about `budget_bytes` at most; return whether all is there."""
        began_s = time.monotonic()
        self._learn()
        self._collect()
        self._start()
        self._place(budget_bytes)
        self.spent_s += time.monotonic() - began_s
        return not (self._todo or self._waiting or self._fetched or self._probes)

    def finish(self) -> object | None:
        """Return the model cache with `plan.position` tokens, None where that is none."""
        if not self.plan.position:
            return None
        assembly = self._assembly or self._codec.assembly(self._capacity_tokens)
        windows = [Span(self._kept[piece.held.name], piece.end, piece.usable) for piece in self.plan.windows]
        state = self._kept[self.plan.state.held.name] if self.plan.state else None
        return assembly.finish(self.plan.position, windows, state)

    def by_tier(self) -> dict[str, int]:
        """Return the planned tokens by the tier they came from: of the rows, else of the state."""
        found: dict[str, int] = {}
        for piece in self.plan.tokens:
            tier = self._origin[Part.TOKENS, piece.start]
            found[tier] = found.get(tier, 0) + min(piece.usable, self.plan.position) - piece.start
        if self.plan.position and not found:
            first = self.plan.pieces[0]
            found[self._origin[first.held.name.part, first.start]] = self.plan.position
        return found

    def release(self) -> None:
        """Let go of every part; what is still being read is dropped as it arrives."""
        self._todo.clear()
        self._fetched.clear()
        self._kept.clear()
        self._assembly = None
        for name in list(self._leased):
            self._give_back(name)

    def _replan(self) -> Plan:
        found = self._gated(plan(self._chain, self._index, self._codec.needs, self._shelf.lookup))
        self._shelf.touch([piece.held.name for piece in reversed(found.pieces)])
        fetched = {item.piece.held.name for item in self._fetched}
        self._todo = deque(piece for piece in found.pieces if self._is_wanted(piece, fetched))
        for piece in self._todo:
            self._lease(piece)
        return found

    def _gated(self, found: Plan) -> Plan:
        cold_bytes = sum(piece.held.size_bytes for piece in found.pieces if not piece.held.at_hand)
        if not cold_bytes:
            return found
        near = plan(self._chain, self._index, self._codec.needs, self._shelf.lookup_at_hand)
        if self._gate.worth_reading(found.position - near.position, cold_bytes):
            return found
        return replace(near, stop=Stop.GATE, unknown=())

    def _is_wanted(self, piece: Piece, fetched: set[BlockName]) -> bool:
        name = piece.held.name
        if name in self._waiting or name in fetched or name in self._kept:
            return False
        return name.part is not Part.TOKENS or self._placed.get(piece.start, 0) < piece.usable - piece.start

    def _lease(self, piece: Piece) -> None:
        name = piece.held.name
        if piece.held.at_hand and name not in self._leased:
            tier = self._shelf.tier(piece.held)
            payload = tier.acquire(name)
            if payload is not None:
                self._leased[name] = (tier, payload)

    def _give_back(self, name: BlockName) -> None:
        tier, _ = self._leased.pop(name)
        tier.release(name)

    def _probe(self) -> None:
        for tier in self._shelf:
            names = [held.name for held in self.plan.unknown if held.tier == tier.name]
            if names:
                self._probes += 1
                tier.probe(names[:MAX_PROBES], self._probe_done)

    def _probe_done(self, found: dict[bytes, bytes]) -> None:
        self._probed.append(found)
        self._wake()

    def _learn(self) -> None:
        learned = False
        while self._probed:
            self._probes -= 1
            for digest, ids in self._probed.popleft().items():
                learned |= self._confirm(digest, ids)
        if learned:
            self.plan = self._replan()

    def _confirm(self, digest: bytes, ids: bytes) -> bool:
        """Believe token ids only where the block's hash confirms them."""
        node = self._index.get(digest)
        block = self.plan.reach // BLOCK_TOKENS
        if node is None or block > self._chain.blocks or block_hash(self._chain.parent(block), ids) != digest:
            return False
        node.ids = ids
        return True

    def _collect(self) -> None:
        failed = False
        while self._arrived:
            name, outcome = self._arrived.popleft()
            piece = self._waiting.pop(name)
            fetched = None if isinstance(outcome, Failure) else self._decode(piece, outcome)
            if fetched is None:
                failed = True
            else:
                self._fetched.append(fetched)
        if self._read_bytes and not self._waiting and not self._todo:
            self._gate.observe_read(self._read_bytes, time.monotonic() - self._read_began_s)
            self._read_bytes = 0
        if failed:
            self.lost = True
            self.plan = self._replan()

    def _decode(self, piece: Piece, outcome: Outcome) -> _Fetched | None:
        if isinstance(outcome, Failure):
            return None
        try:
            payload = self._codec.decode(outcome.name, outcome.header, outcome.buffer)
        except Unusable as error:
            self._shelf.tier(piece.held).reject(outcome.name, str(error))
            return None
        self._read_bytes += outcome.header.payload_bytes
        ids = metadata.decode(outcome.header.metadata, outcome.name.tokens)
        return _Fetched(piece, payload, ids, loaded=True)

    def _start(self) -> None:
        while self._todo:
            piece = self._todo[0]
            name = piece.held.name
            if name in self._leased:
                self._fetched.append(_Fetched(piece, self._leased[name][1], None, loaded=False))
            elif not self._load(piece):
                return
            self._todo.popleft()

    def _load(self, piece: Piece) -> bool:
        """Begin to read a part; return False while there is no buffer for it."""
        name = piece.held.name
        buffer = self._codec.buffer(piece.held.size_bytes, name.part is Part.TOKENS)
        if buffer is None:
            return False
        if not self._waiting:
            self._read_began_s = time.monotonic()
        self._waiting[name] = piece
        self._shelf.tier(piece.held).load(name, buffer, lambda outcome: self._load_done(name, outcome))
        return True

    def _load_done(self, name: BlockName, outcome: Outcome) -> None:
        self._arrived.append((name, outcome))
        self._wake()

    def _place(self, budget_bytes: int | None) -> None:
        placed, moved_bytes = [], 0
        while self._fetched and (budget_bytes is None or moved_bytes < budget_bytes):
            item = self._fetched.popleft()
            moved_bytes += item.payload.nbytes
            self._put(item)
            placed.append(item)
        if self._assembly is not None and placed:
            self._assembly.settle()
        for item in placed:
            self._let_go(item)

    def _put(self, item: _Fetched) -> None:
        piece = item.piece
        self._origin[piece.held.name.part, piece.start] = piece.held.tier
        if piece.held.name.part is not Part.TOKENS:
            self._kept[piece.held.name] = item.payload
            return
        if self._assembly is None:
            self._assembly = self._codec.assembly(self._capacity_tokens)
        rows = piece.usable - piece.start
        self._assembly.place(item.payload, rows, piece.start)
        self._placed[piece.start] = rows

    def _let_go(self, item: _Fetched) -> None:
        held = item.piece.held
        if item.loaded:
            self._shelf.promote(held, Block(held.name, item.payload, item.ids), self._since)
        elif held.name.part is Part.TOKENS:
            self._give_back(held.name)
