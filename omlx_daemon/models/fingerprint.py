"""The fingerprint of a model: anything that changes what its KV cache would hold changes it.

Weights take part by name, size, time of change, the digest of each shard's header and of pages spread over its
content. Reading every byte of a large model at each load would cost more than the cache saves; pages tell a fine-tune
from its base, and the time of change tells what was edited in place.
"""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Iterator, Mapping
from pathlib import Path

from omlx_daemon.core import adapters
from omlx_daemon.models import folder, tensorfile

VERSION = b"omlx fingerprint 2"
_PAGES = 256
_PAGE_BYTES = 4096
_TOKENIZER_FILES = (
    "tokenizer.json", "tokenizer_config.json", "special_tokens_map.json", "added_tokens.json", "tokenizer.model",
    "vocab.json", "merges.txt", "vocab.txt", "chat_template.jinja", "chat_template.json",
)  # fmt: skip


def fingerprint(path: Path, *, cache_layout: str, adapter: Path | None = None) -> str:
    """Return 64 hexadecimal digits for the model in `path`, with `adapter` where one is applied.

    `cache_layout` names the code that lays out the cache, such as mlx-lm's version.
    Raises OSError, ValueError or tensorfile.BadTensorFile where a file cannot be read.
    """
    return combined(parts(path, cache_layout=cache_layout, adapter=adapter))


def parts(path: Path, *, cache_layout: str, adapter: Path | None = None) -> dict[str, bytes]:
    """Return what a fingerprint covers, by what people call it. Raises as `fingerprint` does."""
    return dict(_parts(path, cache_layout, adapter))


def combined(found: Mapping[str, bytes]) -> str:
    """Return the fingerprint of these parts."""
    digest = hashlib.sha256(VERSION)
    for label, value in found.items():
        for field in (label.encode(), value):
            digest.update(len(field).to_bytes(8, "little"))
            digest.update(field)
    return digest.hexdigest()


def _parts(path: Path, cache_layout: str, adapter: Path | None) -> Iterator[tuple[str, bytes]]:
    config = folder.read_json(path / folder.CONFIG)
    yield "config", json.dumps(config, sort_keys=True, separators=(",", ":")).encode()
    for shard in folder.weight_files(path):
        yield f"shard {shard.name}", _shard(shard)
    yield from _files(path, _TOKENIZER_FILES)
    if adapter is not None:
        yield from _files(adapter, adapters.FILES)
    yield "cache layout", cache_layout.encode()


def _shard(path: Path) -> bytes:
    header = tensorfile.read(path).digest
    with path.open("rb") as file:
        found = os.fstat(file.fileno())
        pages = hashlib.sha256()
        for number in range(_PAGES):
            offset = number * found.st_size // _PAGES
            pages.update(os.pread(file.fileno(), _PAGE_BYTES, offset))
    return f"{found.st_size} {found.st_mtime_ns} {header} {pages.hexdigest()}".encode()


def _files(root: Path, wanted: tuple[str, ...]) -> Iterator[tuple[str, bytes]]:
    for name in wanted:
        file = root / name
        if file.is_file():
            with file.open("rb") as content:
                yield name, hashlib.file_digest(content, "sha256").digest()
