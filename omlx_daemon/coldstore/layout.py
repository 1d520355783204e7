"""Where things lie in the cache directory. Every path of the cold tier is spelled here.

<root>/CACHEDIR.TAG .lock pins.json budget.json .tmp-<pid>-<name>
<root>/kv-v1/<fingerprint>/namespace.json
<root>/kv-v1/<fingerprint>/<aa>/<block>.safetensors
<root>/kv-v1/<fingerprint>/.quarantine/<block>.safetensors
<root>/kv-v1/<fingerprint>/.tmp-<pid>-<random>
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime
from errno import ENOTDIR
from pathlib import Path

from omlx_daemon.coldstore.documents import FILE_MODE, read_document, write_document
from omlx_daemon.coldstore.names import BlockName

BUCKET = "kv-v1"
"""Changes with the block format; directories of other formats stand beside it."""

DIRECTORY_MODE = 0o700
QUARANTINE = ".quarantine"
NAMESPACE_FILE = "namespace.json"

_TAG = (
    "Signature: 8a477f597d28d172789f06886806bc55\n"
    "# This directory holds computed KV cache; it may be left out of backups and deleted at any time.\n"
)
_FINGERPRINT = re.compile(r"[0-9a-f]{8,128}", re.ASCII)
_BUCKET = re.compile(r"kv-v\d{1,6}", re.ASCII)
_DIRECTORY_FLAGS = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC


@dataclass(frozen=True, slots=True)
class NamespaceInfo:
    """What `namespace.json` tells of a namespace: for people and reports, never for lookups."""

    model: str = ""
    details: Mapping[str, str] = field(default_factory=dict)
    created: str = ""


@dataclass(frozen=True, slots=True)
class Layout:
    """The paths below one cache directory."""

    root: Path

    @property
    def bucket(self) -> Path:
        """The directory of this format's namespaces."""
        return self.root / BUCKET

    @property
    def lock(self) -> Path:
        """Held by the process that keeps the accounts."""
        return self.root / ".lock"

    @property
    def tag(self) -> Path:
        """Tells backup programs to leave the directory out."""
        return self.root / "CACHEDIR.TAG"

    @property
    def pins(self) -> Path:
        """Pinned prefixes."""
        return self.root / "pins.json"

    @property
    def budget(self) -> Path:
        """Bytes written today."""
        return self.root / "budget.json"

    def namespace(self, fingerprint: str) -> Path:
        """Return the directory of one fingerprint. Raises ValueError for anything but lower-case hex digits."""
        if not is_fingerprint(fingerprint):
            raise ValueError(f"{fingerprint!r} is not a fingerprint")
        return self.bucket / fingerprint

    def create(self) -> None:
        """Make the directory and its tag, readable by their owner alone; not what it lies in. Raises OSError."""
        self.root.mkdir(mode=DIRECTORY_MODE, exist_ok=True)
        self.bucket.mkdir(mode=DIRECTORY_MODE, exist_ok=True)
        if self.bucket.is_symlink():
            raise NotADirectoryError(ENOTDIR, f"{self.bucket} is a symbolic link")
        # A full disk must not keep an old cache from being read: the tag is no condition.
        with suppress(OSError):
            if not self.tag.exists():
                self.tag.write_text(_TAG)
                self.tag.chmod(FILE_MODE)

    def create_namespace(self, fingerprint: str, model: str, details: Mapping[str, str]) -> Path:
        """Make one fingerprint's directory and its description, and return it. Raises OSError, ValueError."""
        self.create()
        directory = self.namespace(fingerprint)
        directory.mkdir(mode=DIRECTORY_MODE, exist_ok=True)
        path = directory / NAMESPACE_FILE
        if not path.exists():
            created = datetime.now(UTC).isoformat(timespec="seconds")
            write_document(path, {"model": model, "details": dict(details), "created": created})
        return directory


def is_fingerprint(name: str) -> bool:
    """Return whether `name` can be a namespace's."""
    return _FINGERPRINT.fullmatch(name) is not None


def is_bucket(name: str) -> bool:
    """Return whether `name` is the directory of some format's namespaces, this one's or another's."""
    return _BUCKET.fullmatch(name) is not None


def read_namespace(directory: Path) -> NamespaceInfo:
    """Return what a namespace tells of itself; empty where it tells nothing that can be read."""
    document = read_document(directory / NAMESPACE_FILE)
    details = document.get("details")
    pairs = details.items() if isinstance(details, dict) else ()
    return NamespaceInfo(
        model=str(document.get("model", "")),
        details={str(key): str(value) for key, value in pairs},
        created=str(document.get("created", "")),
    )


def block_path(namespace_dir: Path, name: BlockName) -> Path:
    """Return where `name` lies. For people; reading and writing go by descriptors that follow no link."""
    return namespace_dir / name.fan / name.filename


@contextmanager
def open_directory(path: Path | str, parent_fd: int | None = None) -> Iterator[int]:
    """Give a descriptor of a directory that is not a symbolic link. Raises OSError."""
    fd = os.open(path, _DIRECTORY_FLAGS, dir_fd=parent_fd)
    try:
        yield fd
    finally:
        os.close(fd)


@contextmanager
def make_directory(name: str, parent_fd: int) -> Iterator[int]:
    """Give a descriptor of the directory `name` below another, made where it is missing. Raises OSError."""
    with suppress(FileExistsError):
        os.mkdir(name, DIRECTORY_MODE, dir_fd=parent_fd)
    with open_directory(name, parent_fd) as fd:
        yield fd
