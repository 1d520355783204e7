"""LM Studio's models: folders `PUBLISHER/NAME` in MLX layout."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

FOLDERS_VARIABLE = "OMLX_LMSTUDIO_MODELS"
"""Replaces LM Studio's own places; several are separated as in PATH."""
_PLACES = ("~/.lmstudio/models", "~/.cache/lm-studio/models")


def locations() -> list[Path]:
    """Return the folders where LM Studio keeps models."""
    given = os.environ.get(FOLDERS_VARIABLE)
    places = _PLACES if given is None else [part for part in given.split(os.pathsep) if part]
    return [Path(place).expanduser() for place in places]


def folders(root: Path) -> Iterator[tuple[str, Path]]:
    """Yield (`PUBLISHER/NAME`, folder) of every model with a config; GGUF files are LM Studio's alone."""
    try:
        configs = sorted(root.glob("*/*/config.json"))
    except OSError:
        return
    for config in configs:
        yield f"{config.parent.parent.name}/{config.parent.name}", config.parent
