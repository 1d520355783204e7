"""What a sequence carries with it so that its miss can be told when the cache has answered."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from omlx_daemon.coldstore.metadata import unpacked
from omlx_daemon.core.events import Miss
from omlx_daemon.worker.cache.hashing import common_tokens
from omlx_daemon.worker.cache.plan import Stop
from omlx_daemon.worker.explain.history import AFTER_TOKENS, Kin, Record
from omlx_daemon.worker.explain.lines import Lines
from omlx_daemon.worker.explain.verdict import Found, by_stored, verdict


@dataclass(frozen=True, slots=True)
class Beside:
    """The ids of a prompt's block and of the stored one that begins most like it, packed."""

    now: bytes
    stored: bytes


class Witness:
    """Made on the tokenising thread, asked once by the engine's: nothing here takes longer than a few tokens' text."""

    def __init__(self, record: Record, kin: Kin | None, decode: Callable[[Sequence[int]], str]) -> None:
        self._record = record
        self._kin = kin
        self._decode = decode

    def miss(self, found: Found, beside: Callable[[], Beside | None]) -> Miss:
        """Return why no more was reused; `beside` finds what is stored in place of the prompt's next block."""
        miss = verdict(found, self._kin)
        if self._kin is None and found.stop is Stop.DIVERGED and (block := beside()) is not None:
            return self._by_stored(miss, block)
        return miss

    def end(self, tokens: Sequence[int], prompt_tokens: int) -> None:
        """Take note of all of the sequence's tokens, now that it ends."""
        self._record.end(tokens, prompt_tokens)

    def _by_stored(self, miss: Miss, block: Beside) -> Miss:
        at = common_tokens(block.now, block.stored)
        now, stored = unpacked(block.now), unpacked(block.stored)
        before = self._decode(now[:at]).rpartition("\n")[2]
        texts = [self._decode(ids[at : at + 2 * AFTER_TOKENS]) for ids in (now, stored)]
        lines = Lines(*(before + text.partition("\n")[0] for text in texts))
        return by_stored(miss, lines, now_text=texts[0], earlier_text=texts[1])
