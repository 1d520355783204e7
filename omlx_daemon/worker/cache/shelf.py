"""The tiers, fastest first, as one place."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterable, Iterator, Sequence

from omlx_daemon.coldstore.names import BlockName, Part
from omlx_daemon.worker.cache.payload import Block, Payload
from omlx_daemon.worker.cache.tier import Answer, Held, Tier

MAX_DEFERRED = 4096
_RETRIES = 8
_Told = tuple[bytes | None, str]
"""What a block's file says besides its name: token ids, and the digest of the salt of a chain that it begins."""


class Shelf:
    """A sequence of tiers, and what some of them had no room for yet."""

    def __init__(self, tiers: Sequence[Tier]) -> None:
        """Look into `tiers` in this order."""
        self._tiers = tuple(tiers)
        self._by_name = {tier.name: tier for tier in tiers}
        self._deferred: OrderedDict[tuple[str, BlockName], _Told] = OrderedDict()
        self.now = 0
        """Logical time: one tick for every use of the cache."""

    def __iter__(self) -> Iterator[Tier]:
        return iter(self._tiers)

    def tier(self, held: Held) -> Tier:
        """Return the tier that has the part."""
        return self._by_name[held.tier]

    def lookup(self, digest: bytes, part: Part) -> Held | None:
        """Return the part from the first tier that has it at hand, else from the first that has it."""
        first: Held | None = None
        for tier in self._tiers:
            held = tier.lookup(digest, part)
            if held is not None:
                if held.at_hand:
                    return held
                first = first or held
        return first

    def lookup_at_hand(self, digest: bytes, part: Part) -> Held | None:
        """Return the part if it can be had without a load."""
        held = self.lookup(digest, part)
        return held if held is not None and held.at_hand else None

    def holds(self, digest: bytes) -> bool:
        """Return whether any part of the block is anywhere."""
        return any(self.lookup(digest, part) is not None for part in Part)

    def offer(self, block: Block) -> None:
        """Give a part to every tier; a tier that has no room now is asked again later."""
        for tier in self._tiers:
            if tier.store(block, self.now) is Answer.LATER:
                self._defer(tier, block.name, (block.ids, block.salt_digest))

    def promote(self, held: Held, block: Block, since: int) -> None:
        """Offer a part that was loaded to the tiers faster than its own."""
        for tier in self._tiers:
            if tier.name == held.tier:
                return
            tier.promote(block, since, self.now)

    def touch(self, names: Sequence[BlockName]) -> None:
        """Note a use, the first of `names` least worth keeping."""
        self.now += 1
        for tier in self._tiers:
            tier.touch(names, self.now)

    def supersede(self, names: Sequence[BlockName]) -> None:
        """Give up parts that a newer one replaces."""
        for tier in self._tiers:
            tier.supersede(names)

    def complete(self, blocks: Iterable[tuple[BlockName, bytes | None, str]]) -> None:
        """Give every tier, sooner or later, the parts that it lacks: by name, token ids and digest of the salt."""
        for name, ids, salt_digest in blocks:
            for tier in self._tiers:
                if tier.lookup(name.hash, name.part) is None:
                    self._defer(tier, name, (ids, salt_digest))

    def retry(self) -> None:
        """Offer again a few of the parts that found no room."""
        for tier_name, name in list(self._deferred)[:_RETRIES]:
            told = self._deferred.pop((tier_name, name))
            payload = self._payload(name)
            if payload is None:
                continue
            tier = self._by_name[tier_name]
            if tier.store(Block(name, payload, *told), self.now) is Answer.LATER:
                self._defer(tier, name, told)
                return

    @property
    def deferred(self) -> int:
        """Parts that wait to be offered again."""
        return len(self._deferred)

    def _defer(self, tier: Tier, name: BlockName, told: _Told) -> None:
        self._deferred[tier.name, name] = told
        if len(self._deferred) > MAX_DEFERRED:
            self._deferred.popitem(last=False)

    def _payload(self, name: BlockName) -> Payload | None:
        for tier in self._tiers:
            payload = tier.acquire(name)
            if payload is not None:
                tier.release(name)
                return payload
        return None
