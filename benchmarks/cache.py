"""The prefix cache by itself: hashing, lookup, capture, restore from memory and from disk. No model is run.

    python -m benchmarks.cache [--shape smol|8b] [--tokens 4096] [--known 100000] [--rounds 5] [--json]

Restores are compared with plain reads of the same files by as many threads: `raw` keeps what it reads, as a restore
must, `reused` reads everything into the same few buffers. `uncached` files were put out of the page cache first.
Runs in a temporary directory and removes it.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import tempfile
import threading
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path
from typing import Any

import mlx.core as mx
from mlx_lm.models.cache import KVCache

from benchmarks.environment import become_worker
from omlx_daemon.coldstore.names import BLOCK_TOKENS
from omlx_daemon.worker.backend.kv.codec import KvCodec
from omlx_daemon.worker.backend.kv.leaves import layout
from omlx_daemon.worker.backend.kv.rows import Source
from omlx_daemon.worker.cache.cold import ColdTier
from omlx_daemon.worker.cache.hashing import Chain, root
from omlx_daemon.worker.cache.hot import HotTier
from omlx_daemon.worker.cache.lease import LeaseState
from omlx_daemon.worker.cache.ledger import Note
from omlx_daemon.worker.cache.store import Store
from omlx_daemon.worker.cache.tier import Tier

SHAPES = {"smol": (30, 3, 64, mx.float32), "8b": (32, 8, 128, mx.bfloat16)}
"""Layers, heads, width and dtype."""

READERS = 4
PLENTY = 1 << 40
Figures = dict[str, float]


class Caches:
    """A model of a given shape that computes nothing."""

    def __init__(self, shape: str) -> None:
        self.layers, self.heads, self.width, self.dtype = SHAPES[shape]

    def make_cache(self) -> list[Any]:
        """Return empty caches, one a layer."""
        make: Any = KVCache
        return [make() for _ in range(self.layers)]

    def __call__(self, tokens: mx.array, cache: list[Any]) -> mx.array:
        """Append random rows."""
        shape = (1, self.heads, tokens.shape[1], self.width)
        for one in cache:
            one.update_and_fetch(mx.random.normal(shape).astype(self.dtype), mx.random.normal(shape).astype(self.dtype))
        mx.eval([one.state for one in cache])
        return tokens


class Unlimited:
    """A ledger that grants everything."""

    def reserve(self, size_bytes: int, parent: bytes = b"") -> int:
        """Grant it."""
        return size_bytes

    def give_back(self, size_bytes: int) -> None:
        """Do nothing."""

    def note(self, note: Note) -> None:
        """Do nothing."""


class Bench:
    """One shape of cache and a directory of blocks."""

    def __init__(self, shape: str, tokens: int, rounds: int, space: Path) -> None:
        self.model, self.rounds, self.space = Caches(shape), rounds, space
        self.codec = KvCodec(layout(self.model))
        self.prompt = [n * 2654435761 % 50_000 for n in range(tokens + 1)]
        self.wake = threading.Event()

    def store(self, *tiers: Tier) -> Store:
        """Return a store over `tiers`."""
        return Store(self.codec, tiers, "bench", wake=self.wake.set)

    def cold(self) -> ColdTier:
        """Return a cold tier over the directory."""
        return ColdTier(self.space, Unlimited(), readers=READERS, queue_bytes=PLENTY)

    def record(self) -> Figures:
        """Fill the directory as a prefill would, and measure the engine thread's share."""
        store = self.store(HotTier(PLENTY), self.cold())
        caches, spent_s = self.model.make_cache(), 0.0
        lease = store.match(self.prompt)
        lease.poll()
        lease.restore()
        for position in range(512, len(self.prompt), 512):
            self.model(mx.zeros((1, 512)), caches)
            began = time.perf_counter()
            lease.commit(Source(caches), position)
            spent_s += time.perf_counter() - began
        lease.release()
        size_bytes = store.stats().tiers[0].size_bytes
        figures = {
            "block_mib": size_bytes / (len(self.prompt) // BLOCK_TOKENS) / 2**20,
            "capture_ms_per_block": spent_s * 1e3 / (len(self.prompt) // BLOCK_TOKENS),
            "capture_gb_per_s": size_bytes / spent_s / 1e9,
            "hot_restore_ms": median(self.rounds, lambda: self.restore(store)) * 1e3,
        }
        began = time.perf_counter()
        assert store.close(600).parts == 0
        figures["drain_gb_per_s"] = size_bytes / (time.perf_counter() - began) / 1e9
        return figures

    def restore(self, store: Store) -> None:
        """Bring the whole prompt into a model cache."""
        lease = store.match(self.prompt)
        while lease.poll() is not LeaseState.READY:
            self.wake.wait(1)
            self.wake.clear()
        restored = lease.restore()
        assert restored.tokens == len(self.prompt) - 1
        lease.release()

    def read(self) -> Figures:
        """Measure restores from disk against plain reads, in turn."""
        files = sorted(self.space.glob("??/*.safetensors"))
        size_bytes = sum(path.stat().st_size for path in files)
        figures: Figures = {}
        for state, prepare in (("cached", warm), ("uncached", drop)):
            spent: dict[str, list[float]] = {"raw": [], "reused": [], "restore": [], "promoting": []}
            store = self.store(HotTier(0), self.cold())
            for _ in range(self.rounds):
                promoting = self.store(HotTier(PLENTY), self.cold())
                for name, work in {
                    "raw": partial(read_and_keep, files),
                    "reused": partial(read_and_drop, files),
                    "restore": partial(self.restore, store),
                    "promoting": partial(self.restore, promoting),
                }.items():
                    prepare(files)
                    spent[name].append(timed(work))
                promoting.close(10)
            store.close(10)
            for name, seconds in spent.items():
                figures[f"{state}_{name}_gb_per_s"] = size_bytes / statistics.median(seconds) / 1e9
            for name in ("restore", "promoting"):
                ratios = [raw / own for raw, own in zip(spent["raw"], spent[name], strict=True)]
                figures[f"{state}_{name}_of_raw"] = statistics.median(ratios)
        return figures

    def look_up(self, known: int) -> Figures:
        """Measure hashing and matching with many blocks in the index."""
        hot = HotTier(PLENTY)
        store = self.store(hot)
        for number in range(known):
            digest = number.to_bytes(32, "big")
            store._index.add(digest, digest, BLOCK_TOKENS)
        prompt = [n * 2654435761 % 50_000 for n in range(32_768)]
        small = KvCodec(layout(Small()))
        filled = Store(small, [hot], "bench")
        filled._index = store._index
        caches = Small().make_cache()
        lease = filled.match(prompt)
        lease.poll()
        lease.restore()
        Small()(mx.zeros((1, 32_767)), caches)
        lease.commit(Source(caches), 32_767)
        lease.release()

        def match() -> None:
            lease = filled.match(prompt)
            assert lease.plan.position == 32_767
            lease.release()

        return {
            "hash_8k_ms": median(self.rounds * 5, lambda: Chain(root("bench"), prompt[:8192])) * 1e3,
            "match_32k_ms": median(self.rounds * 5, match) * 1e3,
        }


class Small(Caches):
    """One layer of one head."""

    def __init__(self) -> None:
        self.layers, self.heads, self.width, self.dtype = 1, 1, 32, mx.float32


def read_and_keep(files: Sequence[Path]) -> None:
    """Read all files."""
    with ThreadPoolExecutor(READERS) as threads:
        list(threads.map(Path.read_bytes, files))


def read_and_drop(files: Sequence[Path]) -> None:
    """Read all files into the same few buffers, one a thread."""
    free = [bytearray(max(path.stat().st_size for path in files)) for _ in range(READERS)]

    def read(path: Path) -> None:
        buffer = free.pop()
        with path.open("rb", buffering=0) as file:
            file.readinto(buffer)
        free.append(buffer)

    with ThreadPoolExecutor(READERS) as threads:
        list(threads.map(read, files))


def warm(files: Sequence[Path]) -> None:
    """Bring files into the page cache."""
    for path in files:
        path.read_bytes()


def drop(files: Sequence[Path]) -> None:
    """Put files out of the page cache."""
    for path in files:
        with path.open("rb") as file:
            os.fsync(file.fileno())
            os.posix_fadvise(file.fileno(), 0, 0, os.POSIX_FADV_DONTNEED)


def timed(work: Callable[[], object]) -> float:
    """Return the seconds that `work` takes."""
    began = time.perf_counter()
    work()
    return time.perf_counter() - began


def median(rounds: int, work: Callable[[], object]) -> float:
    """Return the median seconds of `work`."""
    return statistics.median(timed(work) for _ in range(rounds))


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--shape", choices=SHAPES, default="smol")
    parser.add_argument("--tokens", type=int, default=4096)
    parser.add_argument("--known", type=int, default=100_000, help="blocks in the index of the lookup")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    become_worker("benchmarks.cache")
    with tempfile.TemporaryDirectory(prefix="omlx-bench-") as folder:
        bench = Bench(options.shape, options.tokens, options.rounds, Path(folder))
        figures = bench.look_up(options.known) | bench.record() | bench.read()
    if options.json:
        print(json.dumps(figures))
    else:
        for name, value in figures.items():
            print(f"{name:28} {value:10.4g}")


if __name__ == "__main__":
    main()
