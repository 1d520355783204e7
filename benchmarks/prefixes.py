"""What the KV cache is worth: a real worker process with the cache, beside one without, in one run.

    python -m benchmarks.prefixes MODEL_FOLDER [--lengths 512,2000] [--decode 64] [--rounds 3] [--json]

For each prompt length: time to first token when it is computed, when it is repeated (RAM), and when it is repeated
after the worker was replaced (SSD, page cache warm); prefill and decode speed with and without the cache; the share of
a repeat from SSD that a restore could hide at most if it overlapped the step after it. This script plays the daemon: it
grants every reservation. Prompts are random token ids, so nothing is shared by chance.
"""

from __future__ import annotations

import argparse
import itertools
import json
import random
import socket
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import msgspec

from omlx_daemon.core.events import Failed, Finished, Text
from omlx_daemon.core.requests import GenerationRequest, Sampling, TokenPrompt
from omlx_daemon.wire.cache import CacheStart, Granted, Reserve
from omlx_daemon.wire.frames import pack, receive
from omlx_daemon.wire.messages import Events, LoadFailed, Note, Ready, Report, Start, Stop, Submit

HOT_BYTES = 64 << 30
NAMESPACE = "0" * 64
Figures = dict[str, float]
Answer = tuple[float, float, Finished]


class Worker:
    """A worker process and the daemon's end of its socket."""

    def __init__(self, model: str, cache: CacheStart) -> None:
        ours, theirs = socket.socketpair()
        command = [sys.executable, "-X", "utf8", "-m", "omlx_daemon.worker", "--fd", str(theirs.fileno())]
        self._process = subprocess.Popen(command, pass_fds=[theirs.fileno()], stderr=subprocess.DEVNULL)
        theirs.close()
        self._socket = ours
        self._decoder = msgspec.msgpack.Decoder(Note)
        self._numbers = itertools.count()
        self._send(Start(model="bench", path=model, cache=cache))
        for note in self._notes():
            if isinstance(note, Ready):
                return
            if isinstance(note, LoadFailed):
                raise SystemExit(note.error.message)

    def ask(self, prompt: tuple[int, ...], tokens: int) -> Answer:
        """Run one request; return seconds to its first token, seconds from there to its end, and the end."""
        name = str(next(self._numbers))
        sampling = Sampling(temperature=0.0, max_tokens=tokens, ignore_eos=True)
        request = GenerationRequest(id=name, model="bench", prompt=TokenPrompt(token_ids=prompt), sampling=sampling)
        started, first = time.perf_counter(), 0.0
        self._send(Submit(request=request))
        for note in self._notes():
            for _, event in note.items if isinstance(note, Events) else ():
                if isinstance(event, Text) and event.token_ids and not first:
                    first = time.perf_counter()
                if isinstance(event, Finished):
                    return first - started, time.perf_counter() - first, event
                if isinstance(event, Failed):
                    raise SystemExit(event.error.message)
        raise SystemExit("the worker ended")

    def settle(self) -> None:
        """Wait until nothing is queued for the disk."""
        for note in self._notes():
            if isinstance(note, Report) and note.cache is not None:
                if not any(tier.queued_parts for tier in note.cache.tiers):
                    return
                time.sleep(0.05)

    def close(self) -> None:
        """Stop the worker, its queue flushed."""
        self._send(Stop(deadline_s=0.0, flush_s=120.0))
        for _ in self._notes():
            pass
        self._process.wait()
        self._socket.close()

    def _notes(self) -> Iterator[Note]:
        while (note := receive(self._socket, self._decoder)) is not None:
            if isinstance(note, Reserve):
                self._send(Granted(id=note.id, size_bytes=note.size_bytes))
            yield note

    def _send(self, message: msgspec.Struct) -> None:
        self._socket.sendall(pack(message))


def prompt_of(length: int, seed: int, vocabulary: int = 250) -> tuple[int, ...]:
    """Return `length` random token ids."""
    return tuple(random.Random(seed).choices(range(vocabulary), k=length))


def measure(model: str, lengths: list[int], decode: int, rounds: int) -> list[Figures]:
    """Return one row of figures for each length."""
    with tempfile.TemporaryDirectory() as folder, ExitStack() as stack:
        cache = CacheStart(enabled=True, namespace=NAMESPACE, directory=folder, hot_max_bytes=HOT_BYTES)
        plain = Worker(model, CacheStart())
        stack.callback(plain.close)
        cached = Worker(model, cache)
        for worker in (plain, cached):
            worker.ask(prompt_of(300, -1), 8)
        rows = [_row(plain, cached, length, decode, rounds) for length in lengths]
        cached.close()
        cached = Worker(model, cache)
        stack.callback(cached.close)
        cached.ask(prompt_of(300, -2), 8)
        for row, length in zip(rows, lengths, strict=True):
            row |= _restored(cached, row, length, rounds)
        return rows


def _restored(cached: Worker, row: Figures, length: int, rounds: int) -> Figures:
    """Return the figures of prompts that lie on SSD alone."""
    answers = [cached.ask(prompt_of(length, seed), 2) for seed in _seeds(length, rounds)]
    ssd, step = statistics.median(ttft for ttft, _, _ in answers), row["step_s"]
    return {
        "ssd_ttft_s": ssd,
        "ssd_tokens": min(end.usage.cached_cold_tokens for _, _, end in answers),
        "ssd_over_ram": ssd / row["ram_ttft_s"],
        "overlap_could_hide": min(step, ssd - step) / ssd,
    }


def _seeds(length: int, rounds: int) -> list[int]:
    return [length * 100 + number for number in range(rounds)]


def _row(plain: Worker, cached: Worker, length: int, decode: int, rounds: int) -> Figures:
    prompts = [prompt_of(length, seed) for seed in _seeds(length, rounds)]
    pairs = [_both(plain, cached, prompt, decode, number) for number, prompt in enumerate(prompts)]
    repeats = [cached.ask(prompt, 2) for prompt in prompts]
    computed = statistics.median(theirs[0] for theirs, _ in pairs)
    ram = statistics.median(ttft for ttft, _, _ in repeats)
    return {
        "length": length,
        "computed_ttft_s": computed,
        "ram_ttft_s": ram,
        "ram_speedup": computed / ram,
        "recomputed_tokens": max(length - end.usage.cached_tokens for _, _, end in repeats),
        "prefill_tokens_per_s": length / computed,
        "prefill_with_over_without": statistics.median(a[0] / b[0] for a, b in pairs),
        "decode_with_over_without": statistics.median(a[1] / b[1] for a, b in pairs),
        "step_s": statistics.median(b[1] for _, b in pairs) / (decode - 1),
    }


def _both(plain: Worker, cached: Worker, prompt: tuple[int, ...], decode: int, number: int) -> tuple[Answer, Answer]:
    """Ask the two workers, each first in its turn."""
    if number % 2:
        second = cached.ask(prompt, decode)
        return plain.ask(prompt, decode), second
    return plain.ask(prompt, decode), cached.ask(prompt, decode)


def main() -> None:
    """Parse, measure, print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("model", type=lambda text: str(Path(text).resolve()))
    parser.add_argument("--lengths", type=lambda text: [int(word) for word in text.split(",")], default=[512, 2000])
    parser.add_argument("--decode", type=int, default=64)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    rows = measure(options.model, options.lengths, options.decode, options.rounds)
    if options.json:
        print(json.dumps(rows))
        return
    for row in rows:
        for name, value in row.items():
            print(f"{name:28} {value:12.4f}")
        print()


if __name__ == "__main__":
    main()
