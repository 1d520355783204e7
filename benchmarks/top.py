"""What those who watch cost the daemon, and how far behind they are.

    python -m benchmarks.top [--readers 1,8] [--streams 64] [--seconds 3] [--rounds 7] [--json]

The daemon is real; its worker has no model and gives each stream four tokens a second, so that every request's row
changes at each look. Rounds with nobody watching and with so many readers of the events take turns on one daemon.
`lost` is the CPU time that readers take of each second: the daemon does all its work on one thread, so that is the
share of its throughput that they cost. Medians over the rounds, with the quartiles. Then 50 short requests a second end
while all streams run: `lag_s` is the longest time from the end of one until a reader had read of it, `uncounted` how
many were in no line. Under the same load, `core_share` is the share of a core that `omlx top` takes in a terminal.
"""

from __future__ import annotations

import argparse
import json
import os
import socket
import statistics
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from pathlib import Path

import psutil

from benchmarks.streaming import Figures, Relay, daemon, one_round
from benchmarks.streams import Stream, read_all
from omlx_cli.contract import routes
from tests.top.terminal import terminal

SHORT_PER_S = 50
PACE_PER_S = 4.0
"""Tokens of each stream."""
CALM_S = 1.5
"""After so long no line is held back any more."""


class Reader:
    """Reads the events and keeps when each piece came, at next to no cost."""

    def __init__(self, path: str) -> None:
        self.connection = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self.connection.connect(path)
        self.connection.sendall(f"GET {routes.EVENTS} HTTP/1.1\r\nHost: omlx\r\n\r\n".encode())
        self.received: list[tuple[float, bytes]] = []
        self.begun = threading.Event()
        self.thread = threading.Thread(target=self._read, daemon=True)
        self.thread.start()

    def _read(self) -> None:
        while data := self.connection.recv(1 << 18):
            self.received.append((time.perf_counter(), data))
            self.begun.set()

    def close(self) -> None:
        """Hang up."""
        self.connection.shutdown(socket.SHUT_RDWR)
        self.thread.join()
        self.connection.close()

    def finished(self) -> Iterator[tuple[float, int]]:
        """Yield when lines of finished requests came, and how many requests each counts."""
        rest = b""
        for at_s, data in self.received:
            *lines, rest = (rest + data).split(b"\n")
            for line in lines:
                if line.startswith(b'{"type":"happening"') and b'"kind":"finished"' in line:
                    yield at_s, int(json.loads(line)["count"])


@contextmanager
def readers(relay: Relay, count: int) -> Iterator[list[Reader]]:
    """Have so many read while the context lasts."""
    with ExitStack() as stack:
        found = [Reader(relay.socket) for _ in range(count)]
        for reader in found:
            stack.callback(reader.close)
            assert reader.begun.wait(30), "no event came"
        yield found


def cost(relay: Relay, count: int, streams: int, seconds: float, rounds: int) -> Figures:
    """Return the share of a core that `count` readers take, against rounds without them in between."""
    found = []
    for _ in range(rounds):
        alone, watched = (_core(relay, present, streams, seconds) for present in (0, count))
        found.append(watched - alone)
    low, middle, high = statistics.quantiles(found, n=4)
    return {"lost": middle, "low": low, "high": high}


def _core(relay: Relay, count: int, streams: int, seconds: float) -> float:
    rate = PACE_PER_S * streams
    with readers(relay, count):
        return one_round(relay, streams, rate, int(rate * seconds))["cpu_us_per_token"] * rate / 1e6


def load(relay: Relay, streams: int, seconds: float) -> list[float]:
    """Have all streams run, and short requests end all the while; return when each of those ended."""
    ended: list[float] = []
    each = int(PACE_PER_S * seconds)
    ask = {"model": "paced", "messages": [{"role": "user", "content": "x"}], "max_tokens": each}
    running = [Stream(relay.address, {**ask, "user": f"{streams} {1 / PACE_PER_S}"}) for _ in range(streams)]
    reading = threading.Thread(target=read_all, args=(running, lambda: None))
    reading.start()
    begun_s, sent = time.perf_counter(), 0
    with ThreadPoolExecutor(SHORT_PER_S) as pool:
        while reading.is_alive():
            pool.submit(one, relay, ended)
            sent += 1
            time.sleep(max(0.0, begun_s + sent / SHORT_PER_S - time.perf_counter()))
    reading.join()
    return ended


def lag(relay: Relay, streams: int, seconds: float) -> Figures:
    """Return how far behind a reader is while requests end all the time."""
    time.sleep(CALM_S)
    with readers(relay, 1) as [reader]:
        before = sum(count for _, count in reader.finished())
        ended = load(relay, streams, seconds)
        time.sleep(CALM_S)
        lines = list(reader.finished())
    told = sum(count for _, count in lines) - before
    return {
        "lag_s": longest(ended, lines),
        "uncounted": len(ended) + streams - told,
        "ended_per_s": len(ended) / seconds,
    }


def dashboard(relay: Relay, streams: int, seconds: float) -> Figures:
    """Return what share of a core `omlx top` takes in a terminal of 120 by 40 under that load, and at rest."""
    time.sleep(CALM_S)
    environment = {**os.environ, "OMLX_HOME": str(Path(relay.socket).parents[1]), "TERM": "xterm-256color"}
    with terminal("top", environment=environment) as screen:
        screen.see("live", "no request runs or waits")
        process = psutil.Process(screen.pid)
        busy = share(process, lambda: load(relay, streams, seconds))
        idle = share(process, lambda: time.sleep(seconds))
    return {"core_share": busy, "core_share_at_rest": idle}


def share(process: psutil.Process, during: Callable[[], object]) -> float:
    """Return what share of a core a process takes meanwhile."""
    begun_s, before = time.perf_counter(), process.cpu_times()
    during()
    after = process.cpu_times()
    return float(after.user + after.system - before.user - before.system) / (time.perf_counter() - begun_s)


def one(relay: Relay, ended: list[float]) -> None:
    """Read a short answer to its end, and note when that was."""
    ask = {"model": "paced", "messages": [{"role": "user", "content": "x"}], "max_tokens": 1, "user": "1 0"}
    read_all([Stream(relay.address, ask)], lambda: None)
    ended.append(time.perf_counter())


def longest(ended: Sequence[float], lines: Sequence[tuple[float, int]]) -> float:
    """Return the longest time from an end until a line told of as many ends; streams that end last count too."""
    worst_s, told, waiting = 0.0, 0, sorted(ended)
    for at_s, count in lines:
        told += count
        while waiting and len(ended) - len(waiting) < told:
            worst_s = max(worst_s, at_s - waiting.pop(0))
    return worst_s


def main() -> None:
    """Parse, measure, print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--readers", type=lambda text: [int(word) for word in text.split(",")], default=[1, 8])
    parser.add_argument("--streams", type=int, default=64)
    parser.add_argument("--seconds", type=float, default=3)
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    found: dict[str, Figures] = {}
    with daemon() as relay:
        one_round(relay, options.streams, 0, 20000)
        for count in options.readers:
            found[f"{count} readers"] = cost(relay, count, options.streams, options.seconds, options.rounds)
        found["50 ends a second"] = lag(relay, options.streams, 2 * options.seconds)
        found["dashboard"] = dashboard(relay, options.streams, 4 * options.seconds)
    if options.json:
        print(json.dumps(found))
        return
    for name, figures in found.items():
        print(f"{name:>18}  " + "  ".join(f"{key} {value:.4f}" for key, value in figures.items()))


if __name__ == "__main__":
    main()
