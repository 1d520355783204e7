"""The cold tier's books and files at size: start on 100,000 files, lookups, reservations, prune, block reads.

    python -m benchmarks.ledger [--files 100000] [--prune 50000] [--block-mib 8] [--blocks 32] [--json]

Runs in a temporary directory and removes it. Where a raw system call does the same work, both are measured in turn and
the ratio is given.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from omlx_daemon.coldstore import blockfile, names, scan
from omlx_daemon.coldstore.blockfile import Tensor
from omlx_daemon.coldstore.layout import Layout, block_path
from omlx_daemon.coldstore.names import BlockName, Part
from omlx_daemon.ledger.ledger import Ledger
from omlx_daemon.ledger.policy import Policy
from omlx_daemon.ledger.prune import Criteria

FINGERPRINTS = ("aa" * 16, "bb" * 16)
CHAIN_BLOCKS = 128
"""Blocks of a prompt of 32k tokens."""

SPARSE_BYTES = 8 << 20
"""Length of a file that takes no space: the books are measured, not the disk."""

PAGE_BYTES = 4096
ROUNDS = 5
DAY_S = 86_400.0
Figures = dict[str, float]


def main() -> None:
    """Run all parts and print the figures."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--files", type=int, default=100_000)
    parser.add_argument("--prune", type=int, default=50_000)
    parser.add_argument("--block-mib", type=int, default=8)
    parser.add_argument("--blocks", type=int, default=32)
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="omlx-bench-") as folder:
        figures = books(Path(folder, "books"), options.files, options.prune)
        figures |= files(Path(folder, "files"), options.blocks, options.block_mib << 20)
    if options.json:
        print(json.dumps(figures))
    else:
        for name, value in figures.items():
            print(f"{name:36} {value:12.4g}")


def books(root: Path, count: int, prune: int) -> Figures:
    """Measure start, lookups and prune on `count` sparse files, of which `prune` are old."""
    strew(root, count, prune)
    figures: Figures = {"files": count}
    figures["raw scandir and stat, s"] = best(lambda: raw_scan(root))
    figures["scan, s"] = best(lambda: scan.scan(Layout(root)))
    figures["start of the ledger, s"] = best(lambda: Ledger.open(root, Policy()).close())
    figures["start over raw, ratio"] = figures["start of the ledger, s"] / figures["raw scandir and stat, s"]
    found = scan.scan_namespace(Layout(root).namespace(FINGERPRINTS[0])).blocks
    index = {names.parse(file.filename) for file in found}
    newest = sorted(found, key=lambda file: file.mtime_ns)[-CHAIN_BLOCKS:]
    chain = [file.filename for file in newest]
    wanted = [names.parse(filename) for filename in chain]
    figures["lookup of 32k tokens by name, ms"] = 1000 * best(lambda: all(name in index for name in wanted))
    ledger = Ledger.open(root, Policy())
    figures["touch of 32k tokens, ms"] = 1000 * best(lambda: ledger.touched(FINGERPRINTS[0], chain))
    figures["reserve and give back, us"] = 1e6 * best(lambda: reserve(ledger), 200)
    figures["stats, ms"] = 1000 * best(ledger.stats)
    with timed() as took:
        report = ledger.prune(Criteria(older_than_s=7 * DAY_S))
    figures |= {"pruned files": report.files, "prune, s": took[0]}
    left = list(Layout(root).bucket.glob("*/*/*.safetensors"))
    with timed() as raw:
        for path in left:
            path.unlink()
    figures["prune over raw unlink, ratio"] = took[0] / report.files / (raw[0] / len(left))
    ledger.close()
    return figures


def files(root: Path, blocks: int, size_bytes: int) -> Figures:
    """Measure writing and reading `blocks` files against the same bytes by plain system calls, page cache warm."""
    directory = Layout(root).create_namespace(FINGERPRINTS[0], "bench", {})
    payload = os.urandom(size_bytes)
    chain = [BlockName(os.urandom(32), bytes(32), 256, Part.TOKENS) for _ in range(blocks)]
    tensors = [Tensor("t.k", "U8", (size_bytes // 2,), payload[: size_bytes // 2]),
               Tensor("t.v", "U8", (size_bytes - size_bytes // 2,), payload[size_bytes // 2 :])]  # fmt: skip
    buffer = memoryview(bytearray((size_bytes + PAGE_BYTES) * blocks))
    writes: list[tuple[float, float]] = []
    for name in chain:
        with timed() as ours:
            blockfile.write(directory, name, tensors, {})
        with timed() as raw:
            (root / name.filename).write_bytes(payload)
        writes.append((ours[0], raw[0]))
    reads = [(read_ours(directory, chain, buffer), read_raw(directory, chain, buffer)) for _ in range(ROUNDS)]
    total_bytes = blocks * size_bytes
    return {
        "write, GB/s": total_bytes / sum(ours for ours, _ in writes) / 1e9,
        "write over raw, ratio": statistics.median(raw / ours for ours, raw in writes),
        "verified read, GB/s": total_bytes / min(ours for ours, _ in reads) / 1e9,
        "raw read, GB/s": total_bytes / min(raw for _, raw in reads) / 1e9,
        "verified read over raw, ratio": statistics.median(raw / ours for ours, raw in reads),
    }


def strew(root: Path, count: int, old: int) -> None:
    """Make `count` files in chains, `old` of them last used a month ago."""
    layout, month_ago_s = Layout(root), time.time() - 30 * DAY_S
    for number, fingerprint in enumerate(FINGERPRINTS):
        directory = layout.create_namespace(fingerprint, f"model{number}", {})
        for first in range(256):
            (directory / f"{first:02x}").mkdir()
        parent = bytes(32)
        for position in range(number, count, len(FINGERPRINTS)):
            name = BlockName(os.urandom(32), parent, 256, Part.TOKENS)
            parent = bytes(32) if position % 256 < len(FINGERPRINTS) else name.hash
            path = block_path(directory, name)
            with path.open("wb") as file:
                file.truncate(SPARSE_BYTES)
            if position < old:
                os.utime(path, (month_ago_s, month_ago_s))


def raw_scan(root: Path) -> int:
    """Stat every file with nothing else done."""
    count = 0
    for fingerprint in FINGERPRINTS:
        for fan in os.scandir(Layout(root).namespace(fingerprint)):
            for entry in os.scandir(fan.path) if fan.is_dir() else ():
                count += entry.stat(follow_symlinks=False).st_size
    return count


def reserve(ledger: Ledger) -> None:
    """Reserve a block and give it back."""
    ledger.reserve("bench", FINGERPRINTS[0], 1 << 20)
    ledger.give_back("bench", FINGERPRINTS[0], 1 << 20)


def read_ours(directory: Path, chain: list[BlockName], buffer: memoryview) -> float:
    """Return the seconds to read and verify every block."""
    with timed() as took:
        for place, name in enumerate(chain):
            with blockfile.open_block(directory, name) as block:
                block.read_into(buffer[place * len(buffer) // len(chain) :])
    return took[0]


def read_raw(directory: Path, chain: list[BlockName], buffer: memoryview) -> float:
    """Return the seconds to read the same files by `preadv` alone."""
    with timed() as took:
        for place, name in enumerate(chain):
            fd, done = os.open(block_path(directory, name), os.O_RDONLY), 0
            target = buffer[place * len(buffer) // len(chain) :]
            while count := os.preadv(fd, [target[done:]], done):
                done += count
            os.close(fd)
    return took[0]


def best(work: Callable[[], object], rounds: int = ROUNDS) -> float:
    """Return the least seconds of several rounds: the machine's other work only adds."""
    taken = []
    for _ in range(rounds):
        with timed() as took:
            work()
        taken.append(took[0])
    return min(taken)


@contextmanager
def timed() -> Iterator[list[float]]:
    """Give a list that holds the seconds afterwards."""
    took: list[float] = []
    started = time.perf_counter()
    yield took
    took.append(time.perf_counter() - started)


if __name__ == "__main__":
    main()
