"""What storing KV with fewer bits costs: size, agreement with exact rows, and where a greedy answer leaves its path.

    python -m benchmarks.kv_bits MODEL_FOLDER [--text FILE] [--prompt 512] [--windows 4] [--greedy 64] [--json]

Each window's prompt goes through the cache's own codec, block by block, and the model reads on from what came back.
"""

from __future__ import annotations

import argparse
import json
import statistics
from pathlib import Path
from typing import Any

from omlx_daemon.worker.backend import blas

BITS = (16, 8, 4)


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("model", type=Path, help="a folder in MLX layout")
    parser.add_argument("--text", type=Path, default=Path("LICENSE"))
    parser.add_argument("--prompt", type=int, default=512)
    parser.add_argument("--windows", type=int, default=4)
    parser.add_argument("--greedy", type=int, default=64)
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    blas.load()
    from mlx_lm.utils import load_tokenizer

    from benchmarks.kv_reading import READ_ON, Reading

    open_tokenizer: Any = load_tokenizer
    ids = open_tokenizer(options.model).encode(options.text.read_text(encoding="utf-8"))
    reading, length = Reading(options.model, options.greedy), options.prompt + READ_ON
    starts = [number * (len(ids) - length) // max(1, options.windows - 1) for number in range(options.windows)]
    windows = [reading.window(ids[start : start + length], options.prompt) for start in starts]
    figures = {}
    for bits in BITS:
        rows = list(reading.compare(windows, bits))
        figures[bits] = {name: statistics.mean(row[name] for row in rows) for name in rows[0]}
    if options.json:
        print(json.dumps(figures))
        return
    print(f"{'bits':>4} {'size':>8} {'top-1':>8} {'mean KL':>10} {'greedy tokens':>14}")
    for bits, row in figures.items():
        size, agreement, divergence, same = row.values()
        print(f"{bits:>4} {size:>8.3f} {agreement:>8.4f} {divergence:>10.2e} {same:>9.1f}/{options.greedy}")


if __name__ == "__main__":
    main()
