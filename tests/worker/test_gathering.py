"""Which requests begin together."""

from __future__ import annotations

from omlx_daemon.worker.gathering import LIMIT_S, gather
from tests.worker.doubles import Clock


class Line:
    """Requests that come ready after so many polls each."""

    def __init__(self, *polls: int) -> None:
        self.clock = Clock()
        self.left = list(polls)
        self.taken = 0

    def coming(self) -> bool:
        return bool(self.left)

    def take(self, wait_s: float) -> bool:
        self.clock.now_s += wait_s
        self.left[:1] = [polls - 1 for polls in self.left[:1]]
        ready = self.left[:1] == [0]
        if ready:
            self.left.pop(0)
            self.taken += 1
        return ready


def test_one_that_came_alone_waits_for_nobody() -> None:
    line = Line()
    before_s = line.clock.now_s
    gather(line.coming, line.take, line.clock)
    assert line.clock.now_s == before_s


def test_company_is_taken_in() -> None:
    line = Line(1, 1, 2, 1)
    gather(line.coming, line.take, line.clock)
    assert line.taken == 4


def test_a_long_preparation_is_not_waited_for() -> None:
    line = Line(1, 1000)
    before_s = line.clock.now_s
    gather(line.coming, line.take, line.clock)
    assert line.taken == 1
    assert abs(line.clock.now_s - before_s - LIMIT_S) < 1e-9
