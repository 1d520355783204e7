"""What starting costs: the light commands, the daemon, and the daemon's idle memory; ratios within one run.

    python -m benchmarks.start_up [--rounds 20] [--json]

Each figure is the least of its rounds, and the rounds of all of them alternate, so that the machine's mood
touches them alike. A command's ratio is to `python -I -c pass`: by the clock, after the daemon's own answers
to the same requests are taken off, and by the processor's time, which a busy machine blurs less. `load` names
a model that is not there: what is measured is the way to the answer. `shim ps` goes through the shim, `direct ps`
calls the same interpreter without it.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from pathlib import Path
from typing import NamedTuple

import psutil

from omlx_cli.contract import routes
from omlx_cli.installation.shim import MODE, of_this_installation

BARE = [sys.executable, "-I", "-c", "pass"]
OMLX = [str(Path(sys.executable).with_name("omlx"))]
DIRECT = [sys.executable, "-I", "-X", "utf8", "-m", "omlx_cli"]
FRAMEWORK = [sys.executable, "-I", "-c", "import litestar, uvicorn"]
DAEMON = [sys.executable, "-I", "-X", "utf8", "-m", "omlx_daemon"]

HEALTH = ("GET", routes.HEALTH, "")
COMMANDS: dict[str, tuple[list[str], list[tuple[str, str, str]]]] = {
    "ps": (["ps"], [("GET", routes.PS, "")]),
    "ps --json": (["ps", "--json"], [HEALTH, ("GET", routes.PS, "")]),
    "--version": (["--version"], []),
    "--help": (["--help"], []),
    "status": (["status"], [("GET", routes.STATUS, "")]),
    "ls": (["ls"], [HEALTH, ("GET", routes.MODELS, "")]),
    "load": (["load", "none"], [HEALTH, ("POST", routes.LOAD, '{"model":"none"}')]),
}
"""What is run, and the requests it makes."""


@contextlib.contextmanager
def home() -> Iterator[dict[str, str]]:
    """Yield the environment of an empty home."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "home")
        path.mkdir(mode=0o700)
        (path / "config.toml").write_text("[server]\nport = 0\n")
        yield {**os.environ, "OMLX_HOME": str(path), "HF_HOME": str(Path(folder, "hf"))}


@contextlib.contextmanager
def daemon(environment: dict[str, str]) -> Iterator[float]:
    """Run a daemon; yield the seconds from its process's start until it was ready."""
    ready, ready_end = os.pipe()
    started_s = time.perf_counter()
    process = subprocess.Popen(
        [*DAEMON, "--ready-fd", str(ready_end)],
        env=environment,
        pass_fds=[ready_end],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    os.close(ready_end)
    try:
        line = os.read(ready, 4096)
        took_s = time.perf_counter() - started_s
        if b'"ready"' not in line:
            raise SystemExit(f"the daemon did not start: {line.decode()}")
        yield took_s
    finally:
        os.close(ready)
        process.terminate()
        process.wait()


class Took(NamedTuple):
    """The seconds that something took, by the clock and by the processor."""

    clock_s: float
    cpu_s: float = 0.0


def run(words: Sequence[str], environment: dict[str, str]) -> Took:
    """Run a command to its end."""
    started_s = time.perf_counter()
    process = subprocess.Popen(
        words, env=environment, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )
    _, status, usage = os.wait4(process.pid, 0)
    took_s = time.perf_counter() - started_s
    process.returncode = os.waitstatus_to_exitcode(status)
    return Took(took_s, usage.ru_utime + usage.ru_stime)


def answer_s(path: str, method: str, route: str, body: str) -> float:
    """Return the seconds that the daemon takes for one request."""
    head = f"{method} {route} HTTP/1.1\r\nHost: omlx\r\nAccept: */*\r\nConnection: close\r\n"
    if body:
        head += f"Content-Type: application/json\r\nContent-Length: {len(body)}\r\n"
    started_s = time.perf_counter()
    with socket.socket(socket.AF_UNIX) as connection:
        connection.connect(path)
        connection.sendall(f"{head}\r\n{body}".encode())
        while connection.recv(65536):
            pass
    return time.perf_counter() - started_s


def answers(path: str, requests: Sequence[tuple[str, str, str]]) -> Took:
    """Ask the daemon for several answers."""
    return Took(sum(answer_s(path, *request) for request in requests))


def least(measures: dict[str, Callable[[], Took]], rounds: int) -> dict[str, Took]:
    """Return the least of each measure over alternating rounds."""
    found: dict[str, list[Took]] = {name: [] for name in measures}
    for _ in range(rounds):
        for name, measure in measures.items():
            found[name].append(measure())
    return {name: Took(*map(min, zip(*values, strict=True))) for name, values in found.items()}


def command_figures(rounds: int) -> dict[str, float]:
    """Measure the commands against a running daemon, and the daemon's memory once it is idle."""
    with home() as environment, daemon(environment):
        info = json.loads(Path(environment["OMLX_HOME"], "run", "daemon.json").read_text())
        figures = least(_measures(environment, info["socket"]), rounds)
        idle_bytes = psutil.Process(info["pid"]).memory_info().rss
    bare = figures["bare"]
    result = {"bare_ms": bare.clock_s * 1000}
    result |= {f"{name}_ms": figures[name].clock_s * 1000 for name in ("direct ps", "shim ps")}
    result["shim_more_ms"] = result["shim ps_ms"] - result["direct ps_ms"]
    for name in COMMANDS:
        took = figures[name]
        result[f"{name}_ms"] = took.clock_s * 1000
        result[f"{name}_ratio"] = (took.clock_s - figures[f"{name} answers"].clock_s) / bare.clock_s
        result[f"{name}_cpu_ratio"] = took.cpu_s / bare.cpu_s
    return {**result, "daemon_idle_mb": idle_bytes / 1e6}


def _measures(environment: dict[str, str], path: str) -> dict[str, Callable[[], Took]]:
    shim = Path(environment["OMLX_HOME"], "shim")
    shim.write_text(of_this_installation())
    shim.chmod(MODE)
    measures: dict[str, Callable[[], Took]] = {
        "bare": partial(run, BARE, environment),
        "direct ps": partial(run, [*DIRECT, "ps"], environment),
        "shim ps": partial(run, [str(shim), "ps"], environment),
    }
    for name, (words, requests) in COMMANDS.items():
        measures[name] = partial(run, [*OMLX, *words], environment)
        measures[f"{name} answers"] = partial(answers, path, requests)
    return measures


def start_figures(rounds: int) -> dict[str, float]:
    """Measure the daemon's start against the import of its web framework, and the first command on a cold machine."""
    with home() as environment:
        figures = least(
            {
                "framework": partial(run, FRAMEWORK, environment),
                "ready": partial(_ready, environment),
                "cold ps": partial(_cold_ps, environment),
            },
            rounds,
        )
    framework_s, ready_s = figures["framework"].clock_s, figures["ready"].clock_s
    return {
        "framework_import_ms": framework_s * 1000,
        "daemon_ready_ms": ready_s * 1000,
        "daemon_ready_ratio": ready_s / framework_s,
        "cold_ps_ms": figures["cold ps"].clock_s * 1000,
    }


def _ready(environment: dict[str, str]) -> Took:
    with daemon(environment) as took_s:
        return Took(took_s)


def _cold_ps(environment: dict[str, str]) -> Took:
    took = run([*OMLX, "ps"], environment)
    run([*OMLX, "stop"], environment)
    return took


def main() -> None:
    """Parse, measure, print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=20)
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    figures = {**command_figures(options.rounds), **start_figures(max(1, options.rounds // 4))}
    if options.json:
        print(json.dumps(figures))
        return
    for name, value in figures.items():
        print(f"{name:22} {value:9.2f}")


if __name__ == "__main__":
    main()
