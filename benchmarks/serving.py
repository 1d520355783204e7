"""Streams through the daemon, over TCP, against mlx-lm's BatchGenerator in process; ratios within one run.

    python -m benchmarks.serving MODEL_FOLDER [--streams 8] [--tokens 64] [--rounds 5] [--json]

Rounds of the two alternate on one machine, so that its mood touches both alike. The KV cache is off: the rounds
repeat their prompts, and the raw generator has nothing to remember them by. The client reads raw sockets in this
process, on the same cores; `cpu ms` are milliseconds of CPU time for each token of the answers, by process.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import psutil

from benchmarks.streams import Stream, read_all

PROMPTS = [f"Write a long story about {thing}." for thing in
           ("a ship", "a fox", "the sea", "a clock", "a queen", "snow", "a train", "bread")]  # fmt: skip
Round = dict[str, float]


@dataclass(frozen=True, slots=True)
class Served:
    """A running daemon."""

    address: str
    process: psutil.Process

    def cpu_s(self) -> dict[str, float]:
        """Return the CPU time of each process between the model and the client, and of the client."""
        workers = self.process.children()
        return {"daemon": cpu_s(self.process), "worker": sum(map(cpu_s, workers)), "client": cpu_s(psutil.Process())}


def cpu_s(process: psutil.Process) -> float:
    """Return the CPU time that a process has used."""
    times = process.cpu_times()
    return float(times.user + times.system)


@contextmanager
def daemon() -> Iterator[Served]:
    """Run a daemon in a home of its own."""
    with tempfile.TemporaryDirectory() as folder:
        home = Path(folder, "home")
        home.mkdir(mode=0o700)
        (home / "config.toml").write_text("[server]\nport = 0\n[cache]\nenabled = false\n")
        environment = {**os.environ, "OMLX_HOME": str(home)}
        omlx = [sys.executable, "-I", "-m", "omlx_cli"]
        subprocess.run([*omlx, "start"], env=environment, check=True, stdout=subprocess.DEVNULL)
        try:
            info = json.loads((home / "run" / "daemon.json").read_text())
            yield Served(info["address"], psutil.Process(info["pid"]))
        finally:
            subprocess.run([*omlx, "stop"], env=environment, check=False, stdout=subprocess.DEVNULL)


@contextmanager
def yardstick(model: str, streams: int) -> Iterator[subprocess.Popen[str]]:
    """Run the raw generator in a child process."""
    command = [sys.executable, str(Path(__file__).with_name("raw.py")), model, json.dumps(prompts(streams))]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as child:
        assert child.stdout is not None
        while child.stdout.readline() != "ready\n":
            pass
        yield child
        child.kill()


def raw_round(child: subprocess.Popen[str], streams: int, tokens: int) -> Round:
    """Run one round of the raw generator."""
    assert child.stdin is not None
    assert child.stdout is not None
    child.stdin.write(f"{streams} {tokens}\n")
    child.stdin.flush()
    answer: Round = json.loads(child.stdout.readline())
    return answer


def served_round(served: Served, model: str, count: int, tokens: int) -> Round:
    """Run one round of streams through the daemon."""
    started, first = time.perf_counter(), 0.0

    def note() -> None:
        nonlocal first
        first = time.perf_counter() - started

    streams = [Stream(served.address, ask(model, prompt, tokens)) for prompt in prompts(count)]
    read_all(streams, on_first=note)
    seconds = time.perf_counter() - started
    return {"seconds": seconds, "tokens": sum(stream.tokens for stream in streams), "first_s": first}


def ask(model: str, prompt: str, tokens: int) -> dict[str, object]:
    """Return the body of a greedy request that does not end early."""
    given: dict[str, object] = {"prompt": prompt}
    if has_template(Path(model)):
        given = {"messages": [{"role": "user", "content": prompt}]}
    return {"model": model, **given, "max_tokens": tokens, "temperature": 0, "ignore_eos": True}


def has_template(folder: Path) -> bool:
    """Return whether the model can be asked in chats."""
    settings = json.loads((folder / "tokenizer_config.json").read_text())
    return "chat_template" in settings or (folder / "chat_template.jinja").exists()


def prompts(count: int) -> list[str]:
    """Return so many, all of about the same length."""
    return [PROMPTS[number % len(PROMPTS)] for number in range(count)]


def measure(model: str, streams: int, tokens: int, rounds: int) -> dict[str, float]:
    """Alternate rounds and return the medians and their ratios."""
    with daemon() as served, yardstick(model, streams) as child:
        raw_process = psutil.Process(child.pid)
        served_round(served, model, streams, 4)
        raw_round(child, streams, 4)
        before = {**served.cpu_s(), "raw": cpu_s(raw_process)}
        pairs = [(raw_round(child, streams, tokens), served_round(served, model, streams, tokens))
                 for _ in range(rounds)]  # fmt: skip
        after = {**served.cpu_s(), "raw": cpu_s(raw_process)}
        firsts = [(raw_round(child, 1, 2)["first_s"], served_round(served, model, 1, 2)["first_s"])
                  for _ in range(3 * rounds)]  # fmt: skip
    made = sum(pair[1]["tokens"] for pair in pairs)
    raw, ours = ([pair[side]["tokens"] / pair[side]["seconds"] for pair in pairs] for side in (0, 1))
    return {
        "raw_tokens_per_s": statistics.median(raw),
        "served_tokens_per_s": statistics.median(ours),
        "throughput_ratio": statistics.median(b / a for a, b in zip(raw, ours, strict=True)),
        "raw_first_token_ms": 1000 * statistics.median(a for a, _ in firsts),
        "served_first_token_ms": 1000 * statistics.median(b for _, b in firsts),
        "first_token_extra_ms": 1000 * statistics.median(b - a for a, b in firsts),
        **{f"{name}_cpu_ms": 1000 * (after[name] - before[name]) / made for name in before},
    }


def main() -> None:
    """Parse, measure, print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("model", type=lambda text: str(Path(text).resolve()))
    parser.add_argument("--streams", type=int, default=8)
    parser.add_argument("--tokens", type=int, default=64)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    figures = measure(options.model, options.streams, options.tokens, options.rounds)
    if options.json:
        print(json.dumps(figures))
        return
    for name, value in figures.items():
        print(f"{name:24} {value:10.2f}")


if __name__ == "__main__":
    main()
