"""What happened of late: the last hundred lines, like ones close together as one."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable

import msgspec

from omlx_cli.contract.live import Happening, HappeningKind
from omlx_daemon.live.moment import timestamp

KEPT_LINES = 100
HOLD_S = 0.7
"""The first of its kind is told at once; those that follow it so closely are told together, once it is over."""

_MANY = {
    HappeningKind.FINISHED: "requests of {} finished",
    HappeningKind.CANCELLED: "requests of {} were cancelled",
}
"""What stands for messages that differ; of other kinds the last one does."""

Key = tuple[HappeningKind, str]


class Log:
    """Implements `core.journal.Journal`. Event loop only. `clock` is monotonic, `wall` the time of day, in seconds."""

    def __init__(self, clock: Callable[[], float], wall: Callable[[], float]) -> None:
        self.told: Callable[[Happening], None] = lambda happening: None
        """Called with every line, when there is one."""
        self._clock = clock
        self._wall = wall
        self._lines: deque[Happening] = deque(maxlen=KEPT_LINES)
        self._number = 0
        self._until_s: dict[Key, float] = {}
        """When the like of what was told may be told again."""
        self._held: dict[Key, Happening] = {}

    def note(
        self,
        kind: HappeningKind,
        message: str,
        *,
        model: str = "",
        request: str = "",
        count: int = 1,
        size_bytes: int = 0,
    ) -> None:
        """Tell of something: at once, or in a moment together with more of its kind."""
        self.flush()
        key, now_s = (kind, model), self._clock()
        found = Happening(
            number=0, at=timestamp(self._wall()), kind=kind, message=message, model=model, request=request,
            count=count, size_bytes=size_bytes,
        )  # fmt: skip
        if key in self._until_s:
            held = self._held.get(key)
            self._held[key] = found if held is None else together(held, found)
        else:
            self._until_s[key] = now_s + HOLD_S
            self._tell(found)

    def flush(self) -> None:
        """Tell what was held long enough."""
        now_s = self._clock()
        for key in [key for key, until_s in self._until_s.items() if until_s <= now_s]:
            held = self._held.pop(key, None)
            if held is None:
                del self._until_s[key]
            else:
                self._until_s[key] = now_s + HOLD_S
                self._tell(held)

    def lines(self) -> tuple[Happening, ...]:
        """Return the last lines, the oldest first; what is held is none yet."""
        return tuple(self._lines)

    def _tell(self, happening: Happening) -> None:
        self._number += 1
        line = msgspec.structs.replace(happening, number=self._number)
        self._lines.append(line)
        self.told(line)


def together(one: Happening, other: Happening) -> Happening:
    """Return two happenings of a kind as one line, at the time of the `other`."""
    return msgspec.structs.replace(
        other,
        message=other.message if one.message == other.message else _many(other),
        model=other.model if one.model == other.model else "",
        request=other.request if one.request == other.request else "",
        count=one.count + other.count,
        size_bytes=one.size_bytes + other.size_bytes,
    )


def _many(happening: Happening) -> str:
    words = _MANY.get(happening.kind)
    return words.format(happening.model or "several models") if words else happening.message
