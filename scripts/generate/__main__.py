"""Writes the generated files, or checks them."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from scripts.generate import bash, fish, man, tree, zsh

ROOT = Path(__file__).parents[2]


def files() -> dict[Path, str]:
    """Return every generated file and what it must hold."""
    root = tree.commands()
    completions, pages = ROOT / "completions", ROOT / "man"
    return {
        completions / "omlx.bash": bash.render(root),
        completions / "_omlx": zsh.render(root),
        completions / "omlx.fish": fish.render(root),
        **{pages / name: text for name, text in man.render(root).items()},
    }


def stale() -> list[Path]:
    """Return the files that are missing, differ, or belong to a command that is no more."""
    wanted = files()
    there = {path for folder in {path.parent for path in wanted} for path in folder.glob("*")}
    changed = {path for path, text in wanted.items() if not path.exists() or path.read_text("utf-8") != text}
    return sorted(changed | (there - wanted.keys()))


def main() -> int:
    """Write what is out of date; with `--check` only name it."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--check", action="store_true")
    check = parser.parse_args().check
    wanted = files()
    out_of_date = stale()
    for path in out_of_date:
        sys.stderr.write(f"{'out of date' if check else 'written'}: {path.relative_to(ROOT)}\n")
        if not check:
            _put(path, wanted.get(path))
    return 1 if check and out_of_date else 0


def _put(path: Path, text: str | None) -> None:
    if text is None:
        path.unlink()
        return
    path.parent.mkdir(exist_ok=True)
    path.write_text(text, "utf-8")


if __name__ == "__main__":
    sys.exit(main())
