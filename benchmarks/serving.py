"""Streams through the daemon, over TCP, against mlx-lm's BatchGenerator in process; ratios within one run.

    python -m benchmarks.serving MODEL_FOLDER [--streams 8] [--tokens 64] [--rounds 5] [--json]

Rounds of the two alternate on one machine, so that its mood touches both alike. The KV cache is off: the rounds
repeat their prompts, and the raw generator has nothing to remember them by. The client runs in the same
process as this script, on the same cores as the daemon.
"""

from __future__ import annotations

import argparse
import http.client
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path

PROMPTS = [f"Write a long story about {thing}." for thing in
           ("a ship", "a fox", "the sea", "a clock", "a queen", "snow", "a train", "bread")]  # fmt: skip
Round = dict[str, float]


@contextmanager
def daemon() -> Iterator[str]:
    """Run a daemon in a home of its own; yield its address."""
    with tempfile.TemporaryDirectory() as folder:
        home = Path(folder, "home")
        home.mkdir(mode=0o700)
        (home / "config.toml").write_text("[server]\nport = 0\n[cache]\nenabled = false\n")
        environment = {**os.environ, "OMLX_HOME": str(home)}
        omlx = [sys.executable, "-I", "-m", "omlx_cli"]
        subprocess.run([*omlx, "start"], env=environment, check=True, stdout=subprocess.DEVNULL)
        try:
            yield json.loads((home / "run" / "daemon.json").read_text())["address"]
        finally:
            subprocess.run([*omlx, "stop"], env=environment, check=False, stdout=subprocess.DEVNULL)


@contextmanager
def yardstick(model: str) -> Iterator[subprocess.Popen[str]]:
    """Run the raw generator in a child process."""
    command = [sys.executable, str(Path(__file__).with_name("raw.py")), model, json.dumps(PROMPTS)]
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


def one_stream(address: str, model: str, prompt: str, tokens: int) -> tuple[float, int]:
    """Stream one answer; return the first token's time and the tokens that came."""
    body = {
        "model": model,
        "messages": [{"role": "user", "content": prompt}],
        "max_tokens": tokens,
        "temperature": 0,
        "ignore_eos": True,
        "stream": True,
        "stream_options": {"include_usage": True},
    }
    connection = http.client.HTTPConnection(address)
    connection.request("POST", "/v1/chat/completions", json.dumps(body), {"Content-Type": "application/json"})
    reply = connection.getresponse()
    if reply.status != 200:
        raise SystemExit(reply.read().decode())
    first, made = 0.0, 0
    for line in reply:
        if not first and b'"content":"' in line and b'"content":""' not in line:
            first = time.perf_counter()
        if b'"usage":{' in line:
            made = json.loads(line.removeprefix(b"data: "))["usage"]["completion_tokens"]
    connection.close()
    return first, made


def served_round(address: str, model: str, streams: int, tokens: int) -> Round:
    """Run one round of streams through the daemon."""
    started = time.perf_counter()
    with ThreadPoolExecutor(streams) as threads:
        done = list(threads.map(lambda prompt: one_stream(address, model, prompt, tokens), PROMPTS[:streams]))
    seconds = time.perf_counter() - started
    first = min(moment for moment, _ in done) - started
    return {"seconds": seconds, "tokens": sum(made for _, made in done), "first_s": first}


def measure(model: str, streams: int, tokens: int, rounds: int) -> dict[str, float]:
    """Alternate rounds and return the medians and their ratios."""
    with daemon() as address, yardstick(model) as child:
        served_round(address, model, streams, 4)
        raw_round(child, streams, 4)
        pairs = [(raw_round(child, streams, tokens), served_round(address, model, streams, tokens))
                 for _ in range(rounds)]  # fmt: skip
        firsts = [(raw_round(child, 1, 2)["first_s"], served_round(address, model, 1, 2)["first_s"])
                  for _ in range(3 * rounds)]  # fmt: skip
    raw, served = ([pair[side]["tokens"] / pair[side]["seconds"] for pair in pairs] for side in (0, 1))
    return {
        "raw_tokens_per_s": statistics.median(raw),
        "served_tokens_per_s": statistics.median(served),
        "throughput_ratio": statistics.median(b / a for a, b in zip(raw, served, strict=True)),
        "raw_first_token_ms": 1000 * statistics.median(a for a, _ in firsts),
        "served_first_token_ms": 1000 * statistics.median(b for _, b in firsts),
        "first_token_extra_ms": 1000 * statistics.median(b - a for a, b in firsts),
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
