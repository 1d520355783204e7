"""What the dashboard costs: its first frame, its share of a core under load, how far it lags, whether it grows.

    python -m benchmarks.top_app [--rounds 10] [--seconds 20] [--json]

The first frame is the time of `omlx top` in a pty until its screen shows the daemon's figures, in processor time and
by the clock, over that of `python -I -c pass`; rounds of both alternate and the least of each counts. The load is 64
requests that all change four times a second, and 50 happenings a second; the share is the process's processor time
over the clock's. An hour of the same events is replayed as fast as they are taken, and memory compared at its fifth,
tenth, and last part.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import pty
import select
import struct
import subprocess
import termios
import time
from collections.abc import AsyncGenerator
from fcntl import ioctl
from typing import NamedTuple

import psutil

from benchmarks.start_up import BARE, OMLX, daemon, home, run
from omlx_cli.contract.live import Change, Happening, HappeningKind, LiveEvent
from omlx_cli.top.dashboard import TopApp
from omlx_cli.top.feed import Down
from tests.top.scripted import Recorder, at, crowd

REQUESTS, HAPPENINGS_PER_S, CHANGES_PER_S = 64, 50, 4
HOUR_S = 3600
FIRST_WORDS = b"running"


class Cost(NamedTuple):
    """Seconds by the clock and by the processor."""

    clock_s: float
    cpu_s: float


def first_frame(environment: dict[str, str]) -> Cost:
    """Return what `omlx top` takes until the daemon's figures are on its screen."""
    leader, follower = pty.openpty()
    ioctl(leader, termios.TIOCSWINSZ, struct.pack("HHHH", 24, 80, 0, 0))
    started_s = time.perf_counter()
    process = subprocess.Popen(
        [*OMLX, "top"], stdin=follower, stdout=follower, stderr=follower, env=environment, start_new_session=True
    )
    os.close(follower)
    try:
        seen = b""
        while FIRST_WORDS not in seen:
            if not select.select([leader], [], [], 60)[0]:
                raise SystemExit(f"nothing was shown: {seen[-300:]!r}")
            seen += os.read(leader, 1 << 16)
        times = psutil.Process(process.pid).cpu_times()
        return Cost(time.perf_counter() - started_s, times.user + times.system)
    finally:
        process.kill()
        process.wait()
        os.close(leader)


def first_frame_figures(rounds: int) -> dict[str, float]:
    """Return the first frame, and its ratios to a bare interpreter."""
    bare, frames = [], []
    with home() as environment, daemon(environment):
        shown = {**environment, "TERM": "xterm-256color", "COLORTERM": "truecolor"}
        for _ in range(rounds):
            bare.append(run(BARE, environment))
            frames.append(first_frame(shown))
    clock_s, cpu_s = min(one.clock_s for one in frames), min(one.cpu_s for one in frames)
    return {
        "first_frame_ms": clock_s * 1000,
        "first_frame_cpu_ms": cpu_s * 1000,
        "first_frame_ratio": clock_s / min(one.clock_s for one in bare),
        "first_frame_cpu_ratio": cpu_s / min(one.cpu_s for one in bare),
    }


class Load:
    """Events as a busy daemon sends them; `step_s` between two, 0 for as fast as they are taken."""

    def __init__(self, seconds: float, paced: bool) -> None:
        self.sent = 0
        self.worst_lag_s = 0.0
        self.rss_bytes: list[int] = []
        self.ended = asyncio.Event()
        self.cpu_s = self.clock_s = 0.0
        self._seconds = seconds
        self._paced = paced

    async def events(self) -> AsyncGenerator[LiveEvent | Down, None]:
        """Yield the load; then nothing any more."""
        yield crowd(REQUESTS)
        await asyncio.sleep(1.0)
        begun_s, begun_cpu_s = time.perf_counter(), time.process_time()
        for tick in range(int(self._seconds * HAPPENINGS_PER_S)):
            now_s = tick / HAPPENINGS_PER_S
            if self._paced:
                await asyncio.sleep(max(0.0, begun_s + now_s - time.perf_counter()))
                self.worst_lag_s = max(self.worst_lag_s, time.perf_counter() - begun_s - now_s)
            elif tick % 20 == 0:
                await asyncio.sleep(0)
            yield _happening(tick, now_s)
            if tick * CHANGES_PER_S % HAPPENINGS_PER_S < CHANGES_PER_S:
                yield _change(tick, now_s)
            self.sent = tick + 1
            if tick % int(self._seconds * HAPPENINGS_PER_S / 10) == 0:
                self.rss_bytes.append(psutil.Process().memory_info().rss)
        self.cpu_s, self.clock_s = time.process_time() - begun_cpu_s, time.perf_counter() - begun_s
        self.rss_bytes.append(psutil.Process().memory_info().rss)
        self.ended.set()
        await asyncio.Event().wait()


def _happening(tick: int, now_s: float) -> Happening:
    kinds = list(HappeningKind)
    return Happening(
        number=100 + tick, at=at(now_s), kind=kinds[tick % len(kinds)], message=f"event {tick} of the load"
    )


def _change(tick: int, now_s: float) -> Change:
    found = crowd(REQUESTS, now_s)
    return Change(number=tick, at=found.at, requests=found.requests, cache=found.cache, running=REQUESTS,
                  decode_tokens_per_s=100.0 + tick % 50)  # fmt: skip


async def under(load: Load, size: tuple[int, int]) -> tuple[TopApp, float]:
    """Show a load to its end; return the app, and the seconds until its screen held the last happening."""
    app = TopApp(load, Recorder())
    async with app.run_test(size=size):
        await load.ended.wait()
        ended_s = time.perf_counter()
        last = f"event {load.sent - 1} of the load"
        deadline_s = ended_s + 60
        while not _shows(app, last) and time.perf_counter() < deadline_s:
            await app.animator.wait_for_idle()
            await asyncio.sleep(0.01)
        return app, time.perf_counter() - ended_s


def _shows(app: TopApp, words: str) -> bool:
    return any(words in strip.text for strip in app.screen._compositor.render_strips())


def load_figures(seconds: float) -> dict[str, float]:
    """Return the share of a core, the lag and the growth."""
    paced, fast = Load(seconds, paced=True), Load(HOUR_S, paced=False)
    app, behind_s = asyncio.run(under(paced, (120, 40)))
    logged = {one.kind for one in app.history.log}
    _, _ = asyncio.run(under(fast, (120, 40)))
    tenth, fifth, last = fast.rss_bytes[1], fast.rss_bytes[2], fast.rss_bytes[-1]
    return {
        "core_share": paced.cpu_s / paced.clock_s,
        "behind_s": behind_s,
        "worst_lag_s": paced.worst_lag_s,
        "classes_dropped": float(len(set(HappeningKind) - logged)),
        "hour_took_s": fast.clock_s,
        "hour_growth_ratio": last / fifth,
        "hour_growth_from_tenth_ratio": last / tenth,
    }


def main() -> None:
    """Parse, measure, print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=10)
    parser.add_argument("--seconds", type=float, default=20)
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    figures = {**first_frame_figures(options.rounds), **load_figures(options.seconds)}
    if options.json:
        print(json.dumps(figures))
        return
    for name, value in figures.items():
        print(f"{name:30} {value:9.3f}")


if __name__ == "__main__":
    main()
