"""The real daemon, its event loop watched from inside: `watched.py FILE --home DIR ...` keeps its pulse in FILE.

The loop is asked for a beat every 10 ms. One that comes late was held up by a callback as far as it spent the time
computing, or was seen elsewhere than waiting for events: by a thread that looks whenever the system lets it. Time in
which the system gave the processor to others holds up every program, and counts for nothing.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import math
import sys
import threading
import time
import traceback
from pathlib import Path
from types import FrameType
from typing import Any

import psutil
import uvloop

from omlx_daemon.__main__ import main

BEAT_S = 0.01
NOTED_S = 0.03
IDLE = asyncio.Runner.run.__code__
"""The innermost function of a loop that waits for events; the loop itself is not written in Python."""
_new_loop = uvloop.new_event_loop


class Pulse:
    """Beats on one loop."""

    def __init__(self, loop: uvloop.Loop, file: Path) -> None:
        self._loop = loop
        self._file = file
        self._thread = threading.get_ident()
        self._worst_s = 0.0
        self._where: list[str] = []
        self._due_s = math.inf
        self._seen_s = 0.0
        """For how long the late beat was seen to wait for a callback."""
        self._computed_s = 0.0
        self._queued_s: dict[str, float] = {}
        loop.call_soon(self._beat)
        threading.Thread(target=self._watch, daemon=True).start()

    def _beat(self) -> None:
        now_s, computed_s, queued_s = time.monotonic(), time.thread_time(), _queued_s()
        others_s = sum(spent_s - self._queued_s.get(thread, 0.0) for thread, spent_s in queued_s.items())
        late_s = now_s - self._due_s - others_s
        held_up_s = min(late_s, max(self._seen_s, computed_s - self._computed_s))
        self._worst_s = max(self._worst_s, held_up_s)
        self._due_s, self._computed_s, self._queued_s, self._seen_s = now_s + BEAT_S, computed_s, queued_s, 0.0
        self._loop.call_later(BEAT_S, self._beat)

    def _watch(self) -> None:
        process, looked_s = psutil.Process(), time.monotonic()
        while True:
            time.sleep(BEAT_S)
            now_s = time.monotonic()
            frame = sys._current_frames()[self._thread]
            if now_s > self._due_s and frame.f_code is not IDLE:
                self._seen_s += min(now_s - looked_s, now_s - self._due_s, 2 * BEAT_S)
                self._note(frame)
            looked_s = now_s
            self._write(process)

    def _note(self, frame: FrameType) -> None:
        if self._seen_s > NOTED_S:
            self._where = [*self._where[-4:], "".join(traceback.format_stack(frame)[-4:])]

    def _write(self, process: psutil.Process) -> None:
        figures: dict[str, Any] = {
            "worst_s": self._worst_s,
            "where": self._where,
            "tasks": sorted(getattr(task.get_coro(), "__qualname__", "") for task in asyncio.all_tasks(self._loop)),
            "fds": process.num_fds(),
            "rss_bytes": process.memory_info().rss,
        }
        new = self._file.with_suffix(".new")
        new.write_text(json.dumps(figures))
        new.replace(self._file)


def _queued_s() -> dict[str, float]:
    """Return for how long each thread of this process was ready to run and did not, where the system tells."""
    found: dict[str, float] = {}
    with contextlib.suppress(OSError, IndexError, ValueError):
        for thread in Path("/proc/self/task").iterdir():
            found[thread.name] = int((thread / "schedstat").read_text().split()[1]) / 1e9
    return found


if __name__ == "__main__":
    place = Path(sys.argv[1])

    def watched_loop() -> uvloop.Loop:
        loop = _new_loop()
        Pulse(loop, place)
        return loop

    uvloop.new_event_loop = watched_loop
    sys.exit(main(sys.argv[2:]))
