"""What a model's cache stood for before its files or settings changed."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from omlx_daemon.coldstore.layout import Layout, is_fingerprint, read_namespace


def latest_other(root: Path, model: str, namespace: str) -> Mapping[str, str]:
    """Return the details of the model's namespace on disk that was used last, but for `namespace`; empty for none."""
    found: list[tuple[float, Mapping[str, str]]] = []
    try:
        for directory in Layout(root).bucket.iterdir():
            if directory.name != namespace and is_fingerprint(directory.name):
                info = read_namespace(directory)
                if info.model == model:
                    found.append((directory.stat().st_mtime, info.details))
    except OSError:
        return {}
    return max(found, key=lambda one: one[0])[1] if found else {}
