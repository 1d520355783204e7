"""What a model may be called, and what the word after `omlx pull` means."""

from __future__ import annotations

import re
from pathlib import Path

from omlx_cli.contract.errors import Code, OmlxError

_PART = r"[A-Za-z0-9][A-Za-z0-9._-]{0,95}"
_NAME = re.compile(rf"{_PART}(:{_PART})?")
_HUB_ID = re.compile(rf"{_PART}/{_PART}")
_PATH_STARTS = ("/", "./", "../", "~")


def is_path(text: str) -> bool:
    """Tell whether `text` is written as a path: it begins with `/`, `./`, `../` or `~`."""
    return text.startswith(_PATH_STARTS) or text in (".", "..")


def is_hub_id(text: str) -> bool:
    """Tell whether `text` has the form of a hub id, `ORG/NAME`."""
    return _HUB_ID.fullmatch(text) is not None and ".." not in text and "--" not in text


def check(name: str) -> str:
    """Return `name` where a model may be stored under it. Raises OmlxError(INVALID_REQUEST)."""
    if _NAME.fullmatch(name) and ".." not in name:
        return name
    raise OmlxError(
        Code.INVALID_REQUEST,
        f"{name[:200]!r} is no name for a model",
        "letters, digits, dots, dashes and underscores, and one colon, as in my-model:7b",
        param="name",
    )


def folder(name: str) -> str:
    """Return the folder name of a model; different names have different folders."""
    return name.replace(":", "@")


def from_path(path: Path) -> str:
    """Return the name that a file or folder suggests. Raises OmlxError(INVALID_REQUEST) where it suggests none."""
    stem = path.stem if path.suffix.lower() == ".gguf" else path.name
    return check(re.sub(r"[^A-Za-z0-9._-]+", "-", stem).strip("-._"))
