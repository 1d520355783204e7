"""Keeping what a live sequence computes: full blocks as they fill, tails and checkpoints where it may be resumed."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Protocol

from omlx_daemon.coldstore.names import BLOCK_TOKENS, BlockName, Part
from omlx_daemon.worker.cache.checkpoints import Checkpoints
from omlx_daemon.worker.cache.hashing import Chain, Place
from omlx_daemon.worker.cache.index import Index
from omlx_daemon.worker.cache.lineage import Turn
from omlx_daemon.worker.cache.payload import Block, Codec, NotAlive
from omlx_daemon.worker.cache.shelf import Shelf


class Published(Protocol):
    """Told of every full block that is stored."""

    def __call__(self, digest: bytes) -> None:
        """Take note of the block with hash `digest`."""
        ...


class Recorder:
    """What of one sequence is stored so far. Engine thread only."""

    def __init__(
        self,
        chain: Chain,
        index: Index,
        shelf: Shelf,
        codec: Codec,
        checkpoints: Checkpoints,
        published: Published,
        position: int,
    ) -> None:
        """Begin with a model cache that holds `position` tokens, all of them stored already."""
        self._chain, self._index, self._shelf, self._codec = chain, index, shelf, codec
        self._published = published
        self.turn = Turn()
        self.checkpoints = checkpoints
        self.position = position
        """Tokens committed so far."""

    def is_due(self, position: int) -> bool:
        """Return whether there is something to store once the model cache holds `position` tokens."""
        block_filled = position // BLOCK_TOKENS > self.position // BLOCK_TOKENS
        return block_filled or self.checkpoints.after(self.position) <= position

    def commit(self, source: object, position: int, ends: bool = False) -> None:
        """Store what became complete up to `position`; with `ends` the tail too, as nothing may follow.

        Raises Unusable where `source` is not what the model's layout promises.
        """
        places = [*self._filled(position)]
        if position % BLOCK_TOKENS and (ends or position == self.checkpoints.prompt_end):
            places.append(self._chain.ending_at(position))
        stops = self.checkpoints.between(self.position, position)
        if ends and position not in stops:
            stops.append(position)
        blocks = self._token_parts(source, places)
        for stop in stops:
            parts = self._checkpoint_parts(source, stop, position, blocks)
            self._note(parts, stop, ends and stop == position)
            blocks += parts
        self._codec.settle([block.payload for block in blocks])
        self._keep(blocks, places, position)
        self.position = position

    def _note(self, parts: list[Block], stop: int, ends: bool) -> None:
        """Remember the parts that serve this sequence's continuation alone."""
        if not self.checkpoints.is_lasting(stop):
            names = [part.name for part in parts if part.name.part is Part.STATE or part.name.tokens < BLOCK_TOKENS]
            (self.turn.end if ends else self.turn.prompt).extend(names)

    def _filled(self, position: int) -> Iterator[Place]:
        for block in range(self.position // BLOCK_TOKENS, position // BLOCK_TOKENS):
            yield self._chain.ending_at((block + 1) * BLOCK_TOKENS)

    def _token_parts(self, source: object, places: list[Place]) -> list[Block]:
        if not self._codec.needs.tokens:
            return []
        wanted = [place for place in places if self._shelf.lookup(place.hash, Part.TOKENS) is None]
        if len(wanted) > 1:
            self._codec.gather(source, wanted[0].start, wanted[-1].end)
        return [self._capture(source, place, Part.TOKENS, place.start) for place in wanted]

    def _checkpoint_parts(self, source: object, stop: int, position: int, taken: list[Block]) -> list[Block]:
        needs = self._codec.needs
        blocks: list[Block] = []
        if needs.windows:
            rows = {block.name.hash: block.name.rows for block in taken if block.name.part is Part.WINDOW}
            try:
                blocks += list(self._window_parts(source, stop, rows))
            except NotAlive:
                # A prompt's last token and the first of its answer are computed as one step, and the window moves on.
                if stop == position:
                    raise
        if needs.state and stop == position:
            place = self._chain.ending_at(stop)
            if self._shelf.lookup(place.hash, Part.STATE) is None:
                blocks.append(self._capture(source, place, Part.STATE, place.start))
        return blocks

    def _window_parts(self, source: object, stop: int, taken: dict[bytes, int]) -> Iterator[Block]:
        """Yield the parts that together hold the last rows before `stop`, but for rows `taken` already."""
        window = self._codec.needs.windows[0]
        end, first = stop, max(0, stop - window)
        while end > first:
            place = self._chain.ending_at(end)
            # A window within one block is kept whole with every part, so that each part suffices.
            start = first if window <= BLOCK_TOKENS else max(first, place.start)
            held = self._shelf.lookup(place.hash, Part.WINDOW)
            rows = max(held.name.rows if held else 0, taken.get(place.hash, 0))
            if rows < end - start:
                yield self._capture(source, place, Part.WINDOW, start)
            end = start

    def _capture(self, source: object, place: Place, part: Part, start: int) -> Block:
        rows = place.end - start if part is Part.WINDOW else 0
        name = BlockName(place.hash, place.parent, place.tokens, part, rows)
        payload = self._codec.capture(source, part, start, place.end)
        return Block(name, payload, self._ids(place), self._chain.salt_digest_at(place.start))

    def _ids(self, place: Place) -> bytes | None:
        block = place.start // BLOCK_TOKENS
        return None if self._chain.opaque(block) else self._chain.ids_of(block, place.tokens)

    def _keep(self, blocks: list[Block], places: list[Place], position: int) -> None:
        path = self._path(position)
        self._shelf.touch(path)
        for place in places:
            self._index.add(place.hash, place.parent, place.tokens, self._ids(place))
        for block in blocks:
            self._index.add(block.name.hash, block.name.parent, block.name.tokens, block.ids)
            self._shelf.offer(block)
        self._shelf.touch([*(block.name for block in blocks if block.name.part is not Part.TOKENS), *path])
        for place in places:
            self._supersede(place)
            self._published(place.hash)

    def _path(self, position: int) -> list[BlockName]:
        """Return the token parts of the sequence so far, the deepest first."""
        path = []
        if self._codec.needs.tokens:
            ends = [position, *range((position - 1) // BLOCK_TOKENS * BLOCK_TOKENS, 0, -BLOCK_TOKENS)]
            for end in ends if position else ():
                held = self._shelf.lookup(self._chain.ending_at(end).hash, Part.TOKENS)
                if held is not None:
                    path.append(held.name)
        return path

    def _supersede(self, place: Place) -> None:
        """Give up the token parts of tails that a longer block now begins with."""
        ids = self._ids(place)
        if ids is None or self._shelf.lookup(place.hash, Part.TOKENS) is None:
            return
        old = []
        for node in self._index.children(place.parent):
            if node.tokens < place.tokens and node.ids is not None and ids.startswith(node.ids):
                held = self._shelf.lookup(node.hash, Part.TOKENS)
                if held is not None:
                    old.append(held.name)
        if old:
            self._shelf.supersede(old)
