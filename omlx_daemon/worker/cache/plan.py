"""What can be restored: the longest prefix for which every kind of part is there. Pure; asks, never loads."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from enum import StrEnum

from omlx_daemon.coldstore.names import BLOCK_TOKENS, BlockName, Part
from omlx_daemon.worker.cache.hashing import Chain, common_tokens
from omlx_daemon.worker.cache.index import Index, Node
from omlx_daemon.worker.cache.payload import Needs
from omlx_daemon.worker.cache.tier import Held

Lookup = Callable[[bytes, Part], Held | None]


class Stop(StrEnum):
    """Why no more could be reused."""

    COMPLETE = "complete"
    """All but the last prompt token, which is always computed."""
    NO_ENTRY = "no entry"
    """Nothing that begins like this was ever stored."""
    END = "end of what was stored"
    DIVERGED = "diverged"
    """What is stored goes on with other tokens."""
    EVICTED = "evicted"
    """The next block was stored once and is gone."""
    NO_CHECKPOINT = "no checkpoint"
    """Rows reach further, but there is no window or state part to go with them."""
    GATE = "gate"
    """Computing is faster than reading what is stored."""
    LOST = "lost"
    """A stored block turned out to be missing or damaged."""
    OFF = "off"


@dataclass(frozen=True, slots=True)
class Piece:
    """A part that a restore uses. Its rows before position `usable` are this prompt's."""

    held: Held
    start: int
    usable: int

    @property
    def end(self) -> int:
        """Position after the block's last token."""
        return self.start + self.held.name.tokens

    @property
    def first(self) -> int:
        """Position of the part's first row."""
        return self.end - self.held.name.rows if self.held.name.part is Part.WINDOW else self.start


@dataclass(frozen=True, slots=True)
class Plan:
    """A restore to `position` tokens."""

    position: int
    reach: int
    """How far the stored tokens agree with the prompt."""
    stop: Stop
    tokens: tuple[Piece, ...] = ()
    windows: tuple[Piece, ...] = ()
    state: Piece | None = None
    unknown: tuple[Held, ...] = ()
    """Blocks at the point where the prompt leaves the known ones, whose token ids are not known yet."""

    @property
    def pieces(self) -> tuple[Piece, ...]:
        """All parts, those first without which the rest is worth nothing."""
        state = (self.state,) if self.state else ()
        return (*state, *self.windows, *self.tokens)


@dataclass(frozen=True, slots=True)
class _Match:
    node: Node
    start: int
    common: int

    @property
    def usable(self) -> int:
        return self.start + self.common


def plan(chain: Chain, index: Index, needs: Needs, lookup: Lookup) -> Plan:
    """Return the longest restore of `chain` that leaves at least its last token to compute."""
    return _Planner(chain, index, needs, lookup).plan()


class _Planner:
    def __init__(self, chain: Chain, index: Index, needs: Needs, lookup: Lookup) -> None:
        self._chain, self._index, self._needs, self._lookup = chain, index, needs, lookup
        self._limit = len(chain) - 1
        self._matches: dict[int, list[_Match]] = {}
        self._unknown: dict[int, list[Node]] = {}

    def plan(self) -> Plan:
        rows, reach, block = self._follow()
        tokens_end = rows[-1].usable if rows else 0
        bound = min(tokens_end, self._limit) if self._needs.tokens else self._limit
        position, windows, state = self._checkpoint(bound)
        return Plan(
            position=position,
            reach=min(reach, self._limit),
            stop=self._why(position, min(reach, bound), block),
            tokens=tuple(piece for piece in rows if piece.start < position),
            windows=tuple(windows),
            state=state,
            unknown=self._worth_probing(block),
        )

    def _follow(self) -> tuple[list[Piece], int, int]:
        """Return the token parts that cover the prompt from its start, how far, and the block they end in."""
        rows: list[Piece] = []
        block = 0
        while block < self._chain.blocks and block * BLOCK_TOKENS < self._limit:
            digest = self._chain.hash_of(block)
            held = self._lookup(digest, Part.TOKENS) if self._needs.tokens else None
            if held is None and (self._needs.tokens or digest not in self._index):
                break
            block += 1
            if held is not None:
                rows.append(Piece(held, (block - 1) * BLOCK_TOKENS, block * BLOCK_TOKENS))
        reach = block * BLOCK_TOKENS
        for match in self._matches_in(block):
            held = self._lookup(match.node.hash, Part.TOKENS) if self._needs.tokens else None
            if match.usable > reach and (held is not None or not self._needs.tokens):
                reach = match.usable
                rows[block:] = [Piece(held, match.start, match.usable)] if held else []
        return rows, reach, block

    def _matches_in(self, block: int) -> list[_Match]:
        """Return the stored blocks that begin like block number `block` of the prompt."""
        if block not in self._matches:
            found = []
            start = block * BLOCK_TOKENS
            if block <= self._chain.blocks and start < self._limit:
                wanted = self._chain.ids_of(block)
                for node in self._index.children(self._chain.parent(block)):
                    if common := self._common(node, block, wanted):
                        found.append(_Match(node, start, common))
            self._matches[block] = found
        return self._matches[block]

    def _common(self, node: Node, block: int, wanted: bytes) -> int:
        available = len(self._chain) - block * BLOCK_TOKENS
        if node.tokens <= available and self._chain.hash_of(block, node.tokens) == node.hash:
            if not self._chain.opaque(block):
                node.ids = node.ids or self._chain.ids_of(block, node.tokens)
            return node.tokens
        if self._chain.opaque(block):
            return 0
        if node.ids is None:
            self._unknown.setdefault(block, []).append(node)
            return 0
        return common_tokens(node.ids, wanted)

    def _checkpoint(self, bound: int) -> tuple[int, list[Piece], Piece | None]:
        """Return the last position up to `bound` at which window and state parts allow a restart."""
        if not (self._needs.windows or self._needs.state):
            return bound, [], None
        for position, state in self._candidates(bound):
            windows = self._windows(position)
            if windows is not None:
                return position, windows, state
        return 0, [], None

    def _candidates(self, bound: int) -> Iterator[tuple[int, Piece | None]]:
        for block in range((bound - 1) // BLOCK_TOKENS if bound else -1, -1, -1):
            found: dict[int, Piece | None] = {}
            for match in self._matches_in(block):
                if self._needs.state:
                    found.update(self._state(match, bound))
                elif self._lookup(match.node.hash, Part.WINDOW):
                    found[min(match.usable, bound)] = None
            yield from sorted(found.items(), reverse=True)

    def _state(self, match: _Match, bound: int) -> dict[int, Piece | None]:
        if match.common < match.node.tokens or match.usable > bound:
            return {}
        held = self._lookup(match.node.hash, Part.STATE)
        return {match.usable: Piece(held, match.start, match.usable)} if held else {}

    def _windows(self, position: int) -> list[Piece] | None:
        """Return the window parts that hold the last rows before `position`, None where one is missing."""
        pieces: dict[BlockName, Piece] = {}
        for window in self._needs.windows:
            cursor = position
            while cursor > max(0, position - window):
                piece = self._window_before(cursor, window)
                if piece is None:
                    return None
                pieces[piece.held.name] = piece
                cursor = piece.end - min(window, piece.held.name.rows)
        return sorted(pieces.values(), key=lambda piece: piece.start)

    def _window_before(self, cursor: int, window: int) -> Piece | None:
        """Return the part with the row before `cursor` that reaches back furthest."""
        best: Piece | None = None
        block = (cursor - 1) // BLOCK_TOKENS
        for match in (*self._matches_in(block), *self._matches_in(block + 1)):
            held = self._lookup(match.node.hash, Part.WINDOW)
            if held is None or match.usable < cursor:
                continue
            piece = Piece(held, match.start, match.usable)
            first = piece.end - min(window, held.name.rows)
            if first < cursor and (best is None or first < best.end - min(window, best.held.name.rows)):
                best = piece
        return best

    def _why(self, position: int, reach: int, block: int) -> Stop:
        if position >= self._limit:
            return Stop.COMPLETE
        if position < reach:
            return Stop.NO_CHECKPOINT
        if block < self._chain.blocks and self._chain.hash_of(block) in self._index:
            return Stop.EVICTED
        if any(match.common == match.node.tokens for match in self._matches_in(block)):
            return Stop.END
        if any(True for _ in self._index.children(self._chain.parent(block))):
            return Stop.DIVERGED
        return Stop.END if block else Stop.NO_ENTRY

    def _worth_probing(self, block: int) -> tuple[Held, ...]:
        if not self._needs.tokens:
            return ()
        nodes = self._unknown.get(block, ())
        return tuple(held for node in nodes if (held := self._lookup(node.hash, Part.TOKENS)))
