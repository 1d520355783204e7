"""What a streamed token costs the daemon: CPU time from the worker's frame to the client's socket.

    python -m benchmarks.streaming [--streams 1,8,32,128,256] [--rate 4000] [--tokens 20000] [--json]

The daemon is real; its worker has no model and gives each stream one token a step, `--rate` tokens a second
altogether. Rate 0 is as fast as the daemon takes them; what piles up in it then is joined, see `tokens_per_chunk`.
The client reads raw sockets in this process. Only the relay's own CPU time counts, not the client's, the worker's or
the machine's other work: `tokens_per_core_s` is what one core would carry. The floor is a bare uvloop program that
reads the same frames and writes ready-made bytes; `over_floor` is how many times its time the daemon takes.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import psutil

from benchmarks.streams import CONTENT, Stream, read_all

PIECE = b" word"
Figures = dict[str, float]


@dataclass(frozen=True, slots=True)
class Relay:
    """A process between the paced worker and the client."""

    address: str
    process: psutil.Process
    socket: str = ""
    """The daemon's unix socket."""

    def cpu_s(self) -> float:
        """Return the CPU time that it has used, its workers' apart."""
        times = self.process.cpu_times()
        return float(times.user + times.system)


@contextmanager
def relay(module: str, *words: str) -> Iterator[Relay]:
    """Run one; it names its address when it is ready, or its home's daemon.json does."""
    ready, ready_end = os.pipe()
    command = [sys.executable, "-m", module, "--ready-fd", str(ready_end), *words]
    with subprocess.Popen(command, pass_fds=(ready_end,)) as process:
        os.close(ready_end)
        try:
            with os.fdopen(ready) as pipe:
                said = json.loads(pipe.readline())
            yield Relay(said.get("address", ""), psutil.Process(process.pid))
        finally:
            process.terminate()


@contextmanager
def daemon() -> Iterator[Relay]:
    """Run the real daemon with the paced worker."""
    with tempfile.TemporaryDirectory() as folder:
        home = Path(folder, "home")
        add_model(home / "models" / "paced")
        (home / "config.toml").write_text("[server]\nport = 0\n[cache]\nenabled = false\n")
        with relay("benchmarks.paced_daemon", "--home", str(home)) as found:
            info = json.loads((home / "run" / "daemon.json").read_text())
            yield Relay(info["address"], found.process, info["socket"])


def add_model(folder: Path) -> None:
    """Put down what the registry takes for a model."""
    folder.mkdir(parents=True, mode=0o700)
    (folder / "config.json").write_text(json.dumps({"model_type": "llama", "max_position_embeddings": 1 << 20}))
    (folder / "tokenizer.json").write_text("{}")
    header = b'{"x":{"dtype":"F32","shape":[1],"data_offsets":[0,4]}}'
    (folder / "model.safetensors").write_bytes(len(header).to_bytes(8, "little") + header + bytes(4))


def one_round(relay: Relay, count: int, rate: float, tokens: int) -> Figures:
    """Read `tokens` tokens in so many streams; return what they cost the relay, the requests and the rest apart."""
    each = max(1, tokens // count)
    pace = f"{count} {count / rate if rate else 0.0:.6f}"
    ask = {"model": "paced", "messages": [{"role": "user", "content": "x"}], "max_tokens": each, "user": pace}
    marks: list[tuple[float, float]] = []

    def mark() -> None:
        marks.append((time.perf_counter(), relay.cpu_s()))

    mark()
    streams = [Stream(relay.address, ask) for _ in range(count)]
    read_all(streams, on_first=mark)
    mark()
    (_, asked_cpu_s), (first_s, first_cpu_s), (last_s, last_cpu_s) = marks
    cpu_s = last_cpu_s - first_cpu_s
    return {
        "tokens_per_core_s": count * each / cpu_s,
        "cpu_us_per_token": 1e6 * cpu_s / (count * each),
        "cpu_ms_per_request": 1e3 * (first_cpu_s - asked_cpu_s) / count,
        "tokens_per_chunk": count * each / sum(chunks(stream, each) for stream in streams),
        "tokens_per_s": count * each / (last_s - first_s),
    }


def chunks(stream: Stream, tokens: int) -> int:
    """Return in how many chunks so many tokens came; all must be there."""
    text = stream.transcript
    assert text.count(PIECE) == tokens, f"{text.count(PIECE)} of {tokens} tokens came"
    return text.count(CONTENT)


def measure(counts: list[int], rate: float, tokens: int) -> dict[int, Figures]:
    """Return the daemon's figures for each number of streams, compared with the floor's."""
    found = {}
    with daemon() as real, relay("benchmarks.paced_floor") as floor:
        for one in (real, floor):
            one_round(one, 1, rate, max(2000, tokens // 10))
        for streams in counts:
            least = one_round(floor, streams, rate, tokens)
            found[streams] = one_round(real, streams, rate, tokens)
            found[streams]["over_floor"] = found[streams]["cpu_us_per_token"] / least["cpu_us_per_token"]
    return found


def main() -> None:
    """Parse, measure, print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--streams", type=lambda text: [int(word) for word in text.split(",")],
                        default=[1, 8, 32, 128, 256])  # fmt: skip
    parser.add_argument("--rate", type=float, default=4000)
    parser.add_argument("--tokens", type=int, default=20000)
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    found = measure(options.streams, options.rate, options.tokens)
    if options.json:
        print(json.dumps(found))
        return
    print(f"{'streams':>8}" + "".join(f"{name:>20}" for name in next(iter(found.values()))))
    for streams, row in found.items():
        print(f"{streams:8}" + "".join(f"{value:20.2f}" for value in row.values()))


if __name__ == "__main__":
    main()
