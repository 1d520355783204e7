"""What daemon and worker tell each other of the prefix cache. Files are called by their names."""

from __future__ import annotations

import msgspec


class _Message(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    pass


class CacheStart(_Message, frozen=True, kw_only=True):
    """What a worker needs to know of its cache, in plain numbers. The default is none."""

    enabled: bool = False
    why_off: str = ""
    """Why it is not enabled, for people."""
    namespace: str = ""
    """The fingerprint that the daemon knows the model by; the worker's hashes cover its arrays besides."""
    directory: str = ""
    """The cache directory; empty is no cold tier."""
    waiting: bool = False
    """The directory cannot be used yet, and is left alone until `DirectoryUsable` says so."""
    details: dict[str, str] = {}
    """What the fingerprint covers, for the namespace's description."""
    hot_max_bytes: int = 0
    kv_store_bits: int = 16
    fsync: bool = False
    second_hit: bool = False
    """A block is written when it is offered for the second time."""
    pinned: tuple[bytes, ...] = ()
    """Hashes of the blocks that stay in memory once they are there."""


class Granted(_Message, frozen=True, kw_only=True, tag="granted"):
    """Daemon to worker: so much of a reservation may be written; 0 is a refusal."""

    id: int
    size_bytes: int = 0


class Evicted(_Message, frozen=True, kw_only=True, tag="evicted"):
    """Daemon to worker: these files are gone."""

    filenames: tuple[str, ...]


class Arrived(_Message, frozen=True, kw_only=True, tag="arrived"):
    """Daemon to worker: files, with their sizes in bytes, that came from elsewhere."""

    files: tuple[tuple[str, int], ...]


class DirectoryUsable(_Message, frozen=True, kw_only=True, tag="directory_usable"):
    """Daemon to worker: the cache directory can be used now; what lies there is told by `Arrived`."""


class ResizeHot(_Message, frozen=True, kw_only=True, tag="resize_hot"):
    """Daemon to worker: the bound of what the cache may hold in memory."""

    capacity_bytes: int
    keep_unsaved: bool = False
    """Blocks that lie nowhere else stay, whatever the bound; it is as low as they allow then."""


class ClearCache(_Message, frozen=True, kw_only=True, tag="clear_cache"):
    """Daemon to worker: forget everything in memory; the files are the daemon's to remove."""


class PinBlocks(_Message, frozen=True, kw_only=True, tag="pin_blocks"):
    """Daemon to worker: these blocks, and no others, stay in memory once they are there."""

    hashes: tuple[bytes, ...] = ()


CacheCommand = Granted | Evicted | Arrived | DirectoryUsable | ResizeHot | ClearCache | PinBlocks


class Reserve(_Message, frozen=True, kw_only=True, tag="reserve"):
    """Worker to daemon: may a file of so many bytes be written? Answered by one `Granted` of the same id."""

    id: int
    size_bytes: int
    parent: bytes = b""
    """Hash of the block that the file's block continues: room is not to be made by removing that."""


class GiveBack(_Message, frozen=True, kw_only=True, tag="give_back"):
    """Worker to daemon: bytes that were granted and will not be written."""

    size_bytes: int


class Stored(_Message, frozen=True, kw_only=True, tag="stored"):
    """Worker to daemon: a file is in its place."""

    filename: str
    size_bytes: int


class Touched(_Message, frozen=True, kw_only=True, tag="touched"):
    """Worker to daemon: files were used."""

    filenames: tuple[str, ...]


class Superseded(_Message, frozen=True, kw_only=True, tag="superseded"):
    """Worker to daemon: newer files replace these."""

    filenames: tuple[str, ...]


class Missing(_Message, frozen=True, kw_only=True, tag="missing"):
    """Worker to daemon: a file is not there, or cannot be read."""

    filename: str


class Quarantined(_Message, frozen=True, kw_only=True, tag="quarantined"):
    """Worker to daemon: a damaged file was put aside."""

    filename: str
    reason: str = ""


class WriteFailed(_Message, frozen=True, kw_only=True, tag="write_failed"):
    """Worker to daemon: the disk did not take a file."""

    errno: int
    reason: str = ""


CacheNote = Reserve | GiveBack | Stored | Touched | Superseded | Missing | Quarantined | WriteFailed
