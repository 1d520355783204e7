"""Which checkpoints newer ones make superfluous: a conversation goes on from its end, seldom from long before."""

from __future__ import annotations

from collections import Counter, OrderedDict
from collections.abc import Iterable
from dataclasses import dataclass, field

from omlx_daemon.coldstore.names import BlockName

KEPT_TURNS = 3
_MAX_REMEMBERED = 4096


@dataclass(slots=True)
class Turn:
    """The large parts that one request left behind, but for those at positions that others are likely to share."""

    prompt: list[BlockName] = field(default_factory=list)
    end: list[BlockName] = field(default_factory=list)


class Lineage:
    """Remembers from which checkpoint each request went on. Engine thread only."""

    def __init__(self) -> None:
        self._turns: OrderedDict[bytes, tuple[Turn, ...]] = OrderedDict()
        self._uses: Counter[bytes] = Counter()

    def resume(self, checkpoint: bytes) -> tuple[Turn, ...]:
        """Note that a request goes on from the block with this hash; return the turns that led there."""
        turns = self._turns.get(checkpoint)
        if turns is None:
            return ()
        self._uses[checkpoint] += 1
        self._turns.move_to_end(checkpoint)
        return turns

    def end(self, before: tuple[Turn, ...], turn: Turn) -> list[BlockName]:
        """Note a finished request that went on from `before`; return the parts that are superfluous now.

        That is what older prompts needed, and the ends of turns before the last few. What two requests went on from
        is a fork, and stays.
        """
        superfluous = [name for old in before for name in old.prompt]
        superfluous += [name for old in before[: 1 - KEPT_TURNS] for name in old.end]
        kept = tuple(Turn(end=old.end) for old in before[1 - KEPT_TURNS :])
        # A request that goes on from the turn's prompt is its repetition, not its continuation.
        self._remember({name.hash for name in turn.prompt}, kept)
        self._remember({name.hash for name in turn.end}, (*kept, turn))
        return [name for name in superfluous if self._uses[name.hash] < 2]

    def _remember(self, checkpoints: Iterable[bytes], turns: tuple[Turn, ...]) -> None:
        for checkpoint in checkpoints:
            self._turns[checkpoint] = turns
        while len(self._turns) > _MAX_REMEMBERED:
            gone, _ = self._turns.popitem(last=False)
            self._uses.pop(gone, None)
