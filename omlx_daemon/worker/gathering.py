"""Which requests begin together where the engine was idle: their prompts are read as one batch, in half the time."""

from __future__ import annotations

from collections.abc import Callable

LIMIT_S = 0.02
"""How long the first may wait for its company; a small share of what reading a prompt takes."""
_POLL_S = 0.002


def gather(coming: Callable[[], bool], take: Callable[[float], bool], clock: Callable[[], float]) -> None:
    """Take in those that came together with the first; one that came alone waits for nobody.

    `coming` says whether a request is here that is not ready yet; `take` waits that many seconds at most for one to be
    ready, and says whether one was.
    """
    end_s = clock() + LIMIT_S
    taken = False
    while (taken or coming()) and (left_s := end_s - clock()) > 0:
        taken = take(min(left_s, _POLL_S))
