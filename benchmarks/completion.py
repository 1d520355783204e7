"""What a TAB costs that completes a model's name: real shells on a terminal, from the key to the line on the screen.

    python -m benchmarks.completion [--rounds 30] [--names 500]

Bash, zsh and fish, those that are installed. The least and the median of the rounds, the terminal included; `process`
is what the same shell would wait for a Python that does nothing, had one to be started.
"""

from __future__ import annotations

import argparse
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from tests.packaging.shells import Shell

PREFIX = "zeta"


def home(folder: Path, names: int) -> Path:
    """Make a home with the names of models in it; one begins with PREFIX."""
    run = folder / "home" / "run"
    run.mkdir(parents=True)
    lines = [f"mlx-community/Model-{number}B-Instruct-4bit" for number in range(names - 1)]
    (run / "models.txt").write_text("\n".join([*lines, f"{PREFIX}-model"]) + "\n")
    return run.parent


def tab_s(name: str, rounds: int, names: int) -> list[float]:
    """Return the seconds of each round; the first TAB, which loads the shell's own functions, is left out."""
    with tempfile.TemporaryDirectory() as folder:
        shell = Shell(name, Path(folder), home(Path(folder), names))
        try:
            found = [shell.tab_s(f"omlx load {PREFIX}", "-model") for _ in range(rounds + 1)]
        finally:
            shell.close()
    return found[1:]


def process_s(rounds: int) -> list[float]:
    """Return what starting an interpreter takes."""
    found = []
    for _ in range(rounds):
        began_s = time.perf_counter()
        subprocess.run([sys.executable, "-I", "-c", "pass"], check=True)
        found.append(time.perf_counter() - began_s)
    return found


def main() -> None:
    """Parse, measure, print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=30)
    parser.add_argument("--names", type=int, default=500)
    options = parser.parse_args()
    measures = {
        name: tab_s(name, options.rounds, options.names) for name in ("bash", "zsh", "fish") if shutil.which(name)
    }
    for name, found in {**measures, "process": process_s(options.rounds)}.items():
        print(f"{name:8} least {min(found) * 1000:6.2f} ms   median {statistics.median(found) * 1000:6.2f} ms")


if __name__ == "__main__":
    main()
