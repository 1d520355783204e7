"""A release as users get it: the tracked files and nothing else."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

ROOT = Path(__file__).parents[2]


def unpack(target: Path) -> Path:
    """Lay the tracked files of the tree into `target`, as a release's archive would."""
    listed = subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, text=True, check=True)
    for name in filter(None, listed.stdout.split("\0")):
        source, copy = ROOT / name, target / name
        if source.is_file():
            copy.parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(source, copy)
    return target


def with_version(source: Path, version: str) -> Path:
    """Make the unpacked tree another version."""
    (source / "omlx_cli" / "__init__.py").write_text(f'__version__ = "{version}"\n')
    return source
