"""An adapter: what was trained on top of a model, as mlx-lm writes it into a folder of its own."""

from __future__ import annotations

from pathlib import Path

import msgspec

CONFIG, WEIGHTS = "adapter_config.json", "adapters.safetensors"
FILES = (CONFIG, WEIGHTS)
"""All of a folder that mlx-lm reads."""


class Adapter(msgspec.Struct, frozen=True, kw_only=True):
    """The adapter that a model is loaded with, as it was found."""

    path: str
    size_bytes: int = 0
    """What its weights take as stored; 0 where they cannot be read."""
    values: int = 0
    """How many numbers they are."""
    replaces: bool = False
    """Whether they take the place of the model's own weights, as a full fine-tune's do."""
    stamp: str = ""
    """Tells whether its files are still the same: see `stamp`."""


def stamp(folder: Path) -> str:
    """Return a text that another one takes the place of when a file of the adapter changes. Raises OSError."""
    found = [(folder / name).stat() for name in FILES]
    return " ".join(f"{one.st_dev}:{one.st_ino}:{one.st_size}:{one.st_mtime_ns}" for one in found)
