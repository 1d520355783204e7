"""What the cache costs while nothing is found in it: CPU time of prompts and answers with it and without, in one run.

    python -m benchmarks.cache_cost MODEL_FOLDER [--prompt 1024] [--answer 256] [--hot 96MiB] [--rounds 9] [--json]

Engines that share one model take turns, in another order each round: one with both tiers, two without. What the two
without differ by is how much the figures may be believed. CPU time is that of all threads, until the last block is
written. Prompts are random token ids, so that nothing is shared. The tier in memory is full before the rounds begin, as
that of a worker is that has run for a while; with a `--hot` over 256 MiB it grows, and the system's price for memory
that was never used is in the figures. Blocks go to a temporary directory, which is removed.
"""

from __future__ import annotations

import argparse
import json

from benchmarks.environment import become_worker
from omlx_cli.contract.units import parse_size_bytes
from omlx_daemon.worker.backend import blas


def main() -> None:
    """Parse, measure, print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("model")
    parser.add_argument("--prompt", type=int, default=1024, help="tokens of the prompts whose prefill is measured")
    parser.add_argument(
        "--answer", type=int, default=256, help="tokens of the answers whose decode is measured, 0 for none"
    )
    parser.add_argument("--hot", type=parse_size_bytes, default="96MiB", help="bound of the tier in memory")
    parser.add_argument("--rounds", type=int, default=9)
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    become_worker("benchmarks.cache_cost")
    # Before mlx, which computes with the BLAS that is there when it is loaded.
    library = blas.load()
    from benchmarks.cache_sides import measure

    figures = measure(library, options.model, options.prompt, options.answer, options.hot, options.rounds)
    if options.json:
        print(json.dumps(figures))
        return
    for name, value in figures.items():
        print(f"{name:28} {value:10.4f}")


if __name__ == "__main__":
    main()
