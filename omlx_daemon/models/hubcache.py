"""The hub cache that huggingface_hub shares between tools, read by its layout alone.

`models--ORG--NAME/refs/main` names a commit, `snapshots/COMMIT/` has the files as links into `blobs/`.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

from omlx_cli.contract import files

_PREFIX = "models--"


def location() -> Path:
    """Return the cache folder, by the same environment variables as huggingface_hub."""
    direct = os.environ.get("HF_HUB_CACHE") or os.environ.get("HUGGINGFACE_HUB_CACHE")
    if direct:
        return _expanded(direct)
    home = os.environ.get("HF_HOME")
    if home:
        return _expanded(home) / "hub"
    return _expanded(os.environ.get("XDG_CACHE_HOME") or "~/.cache") / "huggingface" / "hub"


def snapshots(cache: Path) -> Iterator[tuple[str, Path]]:
    """Yield (hub id, snapshot folder) of every model in the cache; unreadable ones are left out."""
    try:
        folders = sorted(cache.iterdir())
    except OSError:
        return
    for folder in folders:
        parts = folder.name.removeprefix(_PREFIX).split("--")
        if folder.name.startswith(_PREFIX) and len(parts) == 2:
            snapshot = current(folder)
            if snapshot is not None:
                yield "/".join(parts), snapshot


def repository(cache: Path, hub_id: str) -> Path:
    """Return the folder of a repository, whether it exists or not."""
    return cache / (_PREFIX + hub_id.replace("/", "--"))


def current(repository_folder: Path) -> Path | None:
    """Return the snapshot that `main` points to, else the newest one, else None."""
    try:
        commit = files.read_text(repository_folder / "refs" / "main", "ascii").strip()
        named = repository_folder / "snapshots" / commit
        if commit and "/" not in commit and named.is_dir():
            return named
    except (OSError, ValueError):
        pass
    try:
        found = [path for path in (repository_folder / "snapshots").iterdir() if path.is_dir()]
        return max(found, key=lambda path: path.stat().st_mtime, default=None)
    except OSError:
        return None


def _expanded(text: str) -> Path:
    return Path(os.path.expandvars(text)).expanduser()
