"""What the ledger's tests stand on: a clock, a file system of a chosen size, a writer."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from omlx_daemon.coldstore import blockfile
from omlx_daemon.coldstore.blockfile import Tensor
from omlx_daemon.coldstore.layout import Layout, block_path
from omlx_daemon.coldstore.names import BlockName, Part
from omlx_daemon.ledger.ledger import Ledger
from omlx_daemon.ledger.policy import Policy, Removed

MODELS = {"a": "aa" * 16, "b": "bb" * 16, "c": "cc" * 16}
ROOT_HASH = bytes(32)
MIB = 1 << 20


def du_bytes(root: Path | str) -> int:
    """Return the bytes on disk of everything below `root`, as `du` counts them."""
    total = os.lstat(root).st_blocks * 512
    with os.scandir(root) as entries:
        for entry in entries:
            if entry.is_dir(follow_symlinks=False):
                total += du_bytes(entry.path)
            else:
                total += entry.stat(follow_symlinks=False).st_blocks * 512
    return total


@dataclass
class Clock:
    """A clock that goes when told."""

    now_s: float = 1_700_000_000.0

    def __call__(self) -> float:
        return self.now_s

    def go(self, seconds: float) -> None:
        """Let time pass."""
        self.now_s += seconds


@dataclass
class FileSystem:
    """`statvfs` of a file system with the cache directory and `other_bytes` on it."""

    root: Path
    size_bytes: int = 0
    """0 is a disk too large to fill, and that nobody need measure."""
    other_bytes: int = 0
    error: OSError | None = None

    def __call__(self, path: Path) -> os.statvfs_result:
        if self.error:
            raise self.error
        free = max(0, self.free_bytes()) // 4096
        return os.statvfs_result((4096, 4096, self.size_bytes // 4096, free, free, 0, 0, 0, 0, 255))

    def free_bytes(self) -> int:
        """Return what is free, by `du`."""
        if not self.size_bytes:
            return 1 << 40
        return self.size_bytes - self.other_bytes - du_bytes(self.root)


@dataclass
class Bench:
    """A ledger and someone who writes into its directory."""

    root: Path
    policy: Policy = field(default_factory=Policy)
    clock: Clock = field(default_factory=Clock)
    disk: FileSystem = field(init=False)
    ledger: Ledger = field(init=False)
    removed: list[Removed] = field(default_factory=list)
    """What any of the bench's ledgers told of."""

    def __post_init__(self) -> None:
        self.disk = FileSystem(self.root)
        self.open()

    def open(self) -> None:
        """Open the ledger and announce the three models' writers."""
        self.ledger = Ledger.open(self.root, self.policy, clock=self.clock, statvfs=self.disk)
        self.ledger.listen(self.removed.extend)
        for model, fingerprint in MODELS.items():
            self.ledger.attach(model, fingerprint, model, {})

    def directory(self, model: str) -> Path:
        """Return the directory of a model's namespace."""
        return Layout(self.root).namespace(MODELS[model])

    def path(self, model: str, name: BlockName) -> Path:
        """Return where a block lies."""
        return block_path(self.directory(model), name)

    def write(self, model: str, name: BlockName, size_bytes: int) -> int:
        """Write a block's file and say nothing; return its length."""
        return blockfile.write(self.directory(model), name, tensors(size_bytes), {})

    def store(self, model: str, name: BlockName, size_bytes: int = 4096) -> bool:
        """Reserve, write and report a block as a worker does; return whether it was granted."""
        count_bytes = blockfile.file_bytes(name, tensors(size_bytes), {})
        if not self.ledger.reserve(model, MODELS[model], count_bytes, parent=name.parent):
            return False
        self.ledger.stored(model, MODELS[model], name.filename, self.write(model, name, size_bytes))
        return True

    def chain(self, model: str, seed: str, length: int, size_bytes: int = 4096) -> list[BlockName]:
        """Store a chain of blocks, one second apart."""
        names = []
        parent = ROOT_HASH
        for depth in range(length):
            names.append(block(f"{seed}/{depth}", parent))
            parent = names[-1].hash
            assert self.store(model, names[-1], size_bytes)
            self.clock.go(1)
        return names

    def touch(self, model: str, names: list[BlockName]) -> None:
        """Report the use of blocks."""
        self.ledger.touched(MODELS[model], [name.filename for name in names])

    def there(self, model: str, names: list[BlockName]) -> list[bool]:
        """Return which of the blocks are on disk."""
        return [self.path(model, name).exists() for name in names]


def tensors(size_bytes: int) -> list[Tensor]:
    """Return one tensor of so many bytes."""
    return [Tensor("t", "U8", (size_bytes,), bytes(size_bytes))]


def block(
    seed: str, parent: bytes = ROOT_HASH, part: Part = Part.TOKENS, tokens: int = 256, fans: int = 256
) -> BlockName:
    """Return the name of the block that `seed` means, in one of the first `fans` directories."""
    digest = bytearray(hashlib.sha256(seed.encode()).digest())
    digest[0] %= fans
    return BlockName(bytes(digest), parent, tokens, part)


@contextmanager
def opened(root: Path, policy: Policy | None = None) -> Iterator[Bench]:
    """Give a bench and close its ledger."""
    bench = Bench(root, policy or Policy())
    try:
        yield bench
    finally:
        bench.ledger.close()
