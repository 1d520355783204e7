"""One block file: written whole or not at all, and believed only after its checksums."""

from __future__ import annotations

import os
import stat
from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from errno import EEXIST
from pathlib import Path
from types import TracebackType

import xxhash

from omlx_daemon.coldstore import header as headers
from omlx_daemon.coldstore.documents import FILE_MODE, TEMPORARY_PREFIX
from omlx_daemon.coldstore.header import BlockDamaged, Header, TensorInfo
from omlx_daemon.coldstore.layout import QUARANTINE, make_directory, open_directory
from omlx_daemon.coldstore.names import BlockName

__all__ = [
    "BlockDamaged", "Header", "OpenBlock", "Tensor", "TensorInfo",
    "file_bytes", "open_block", "quarantine", "read", "write",
]  # fmt: skip

_CREATE = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
_READ = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
_MAX_PIECES = min(1024, os.sysconf("SC_IOV_MAX"))
_MAX_WRITE_BYTES = 1 << 30
_READ_BYTES = 1 << 20
_RENAME_TRIES = 5


@dataclass(frozen=True, slots=True)
class Tensor:
    """A tensor to store: its dtype by safetensors' name (`F32`, `BF16`, `U32`...), its bytes in row-major order."""

    name: str
    dtype: str
    shape: tuple[int, ...]
    data: bytes | memoryview


def file_bytes(name: BlockName, tensors: Sequence[Tensor], metadata: Mapping[str, str]) -> int:
    """Return the length that `write` would give the file: what to reserve for it. Raises ValueError."""
    return len(_header(name, tensors, metadata, "0" * 32)) + sum(len(view) for view in _views(tensors))


def write(
    namespace_dir: Path, name: BlockName, tensors: Sequence[Tensor], metadata: Mapping[str, str], *, fsync: bool = False
) -> int:
    """Store a block and return the file's length in bytes; one that is there already is left as it is.

    Raises ValueError where a tensor's bytes contradict its shape, and OSError; neither leaves anything behind.
    """
    views = _views(tensors)
    with open_directory(namespace_dir) as space:
        if (present := _length(space, name)) is not None:
            return present
        head = _header(name, tensors, metadata, _checksum(views))
        temporary = f"{TEMPORARY_PREFIX}{os.getpid()}-{os.urandom(8).hex()}"
        try:
            _write_file(space, temporary, [memoryview(head), *views], fsync)
            _publish(space, temporary, name, fsync)
        except BaseException:
            with suppress(OSError):
                os.unlink(temporary, dir_fd=space)
            raise
    return len(head) + sum(len(view) for view in views)


def open_block(namespace_dir: Path, name: BlockName) -> OpenBlock:
    """Open a block and check its header.

    Raises FileNotFoundError where it is not there, BlockDamaged where it is not what its name says, OSError for a
    disk that fails or a file that may not be read.
    """
    return OpenBlock(_open(namespace_dir, name), name)


def read(namespace_dir: Path, name: BlockName) -> tuple[Header, bytes]:
    """Return a block's header and payload. Raises as `open_block` does."""
    with open_block(namespace_dir, name) as block:
        payload = bytearray(block.payload_bytes)
        block.read_into(memoryview(payload))
        return block.header, bytes(payload)


def quarantine(namespace_dir: Path, name: BlockName) -> bool:
    """Put a damaged file aside, out of every lookup; return False where it was gone. Raises OSError."""
    try:
        with (
            open_directory(namespace_dir) as space,
            open_directory(name.fan, space) as fan,
            make_directory(QUARANTINE, space) as aside,
        ):
            os.rename(name.filename, name.filename, src_dir_fd=fan, dst_dir_fd=aside)
    except FileNotFoundError:
        return False
    return True


class OpenBlock:
    """A block file open for reading, its header checked. Close it, or use it as a context manager."""

    def __init__(self, fd: int, name: BlockName) -> None:
        """Take over `fd`. Raises BlockDamaged and OSError, after closing it."""
        self._fd = fd
        try:
            self.header = _read_header(fd, name)
        except BaseException:
            self.close()
            raise

    @property
    def payload_bytes(self) -> int:
        """Bytes of all tensors together."""
        return self.header.payload_bytes

    def read_into(self, buffer: memoryview) -> None:
        """Fill the start of `buffer` (bytes, at least `payload_bytes`) with the payload and verify its checksum.

        Raises BlockDamaged, after which the buffer's content means nothing; OSError; ValueError for a short buffer.
        """
        if len(buffer) < self.payload_bytes:
            raise ValueError(f"the buffer has {len(buffer)} bytes of {self.payload_bytes}")
        starts = range(0, self.payload_bytes, _READ_BYTES)
        self.read_pieces(buffer[start : min(start + _READ_BYTES, self.payload_bytes)] for start in starts)

    def read_pieces(self, pieces: Iterable[memoryview]) -> None:
        """Fill one piece of memory after the other, `payload_bytes` together, and verify the checksum.

        The next piece is asked for when one is full. Raises BlockDamaged, after which the content means nothing;
        OSError; ValueError for pieces that are not as long as the payload.
        """
        state, done = xxhash.xxh3_128(), 0
        for piece in pieces:
            self._fill(piece, done)
            state.update(piece)
            done += len(piece)
        if done != self.payload_bytes:
            raise ValueError(f"the pieces have {done} bytes, the payload {self.payload_bytes}")
        if state.hexdigest() != self.header.checksum:
            raise BlockDamaged("the payload's checksum is wrong")

    def _fill(self, piece: memoryview, start: int) -> None:
        done = 0
        while done < len(piece):
            count = os.preadv(self._fd, [piece[done:]], self.header.header_bytes + start + done)
            if count == 0:
                raise BlockDamaged("truncated while it was read")
            done += count

    def touch(self) -> None:
        """Note on disk that the block was used now. Raises OSError."""
        os.utime(self._fd)

    def close(self) -> None:
        """Close the file; again does nothing."""
        if self._fd >= 0:
            os.close(self._fd)
            self._fd = -1

    def __enter__(self) -> OpenBlock:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


def _views(tensors: Sequence[Tensor]) -> list[memoryview]:
    views = []
    for tensor in tensors:
        view = memoryview(tensor.data)
        flat = view.cast("B") if view.nbytes else memoryview(b"")
        if len(flat) != headers.shape_bytes(tensor.dtype, tensor.shape):
            raise ValueError(f"tensor {tensor.name!r} has {len(flat)} bytes, not {tensor.dtype} {list(tensor.shape)}")
        views.append(flat)
    return views


def _header(name: BlockName, tensors: Sequence[Tensor], metadata: Mapping[str, str], checksum: str) -> bytes:
    if len({tensor.name for tensor in tensors} - {"__metadata__"}) != len(tensors):
        raise ValueError("two tensors of one name")
    return headers.encode(name, [(tensor.name, tensor.dtype, tensor.shape) for tensor in tensors], metadata, checksum)


def _checksum(views: Sequence[memoryview]) -> str:
    state = xxhash.xxh3_128()
    for view in views:
        state.update(view)
    return state.hexdigest()


def _length(space: int, name: BlockName) -> int | None:
    try:
        with open_directory(name.fan, space) as fan:
            found = os.stat(name.filename, dir_fd=fan, follow_symlinks=False)
    except FileNotFoundError:
        return None
    if not stat.S_ISREG(found.st_mode):
        raise FileExistsError(EEXIST, f"{name.filename} is not a regular file")
    return found.st_size


def _write_file(space: int, temporary: str, pieces: list[memoryview], fsync: bool) -> None:
    fd = os.open(temporary, _CREATE, FILE_MODE, dir_fd=space)
    try:
        _write_all(fd, [piece for piece in pieces if len(piece)])
        if fsync:
            os.fsync(fd)
    finally:
        os.close(fd)


def _write_all(fd: int, pieces: list[memoryview]) -> None:
    first = 0
    while first < len(pieces):
        batch, room = [], _MAX_WRITE_BYTES
        for piece in pieces[first : first + _MAX_PIECES]:
            batch.append(piece[:room])
            room -= len(batch[-1])
            if not room:
                break
        left = os.writev(fd, batch)
        while first < len(pieces) and left >= len(pieces[first]):
            left -= len(pieces[first])
            first += 1
        if left:
            pieces[first] = pieces[first][left:]


def _publish(space: int, temporary: str, name: BlockName, fsync: bool) -> None:
    # The ledger removes directories that it has emptied: one may go between its making and the rename.
    for left in reversed(range(_RENAME_TRIES)):
        try:
            with make_directory(name.fan, space) as fan:
                os.rename(temporary, name.filename, src_dir_fd=space, dst_dir_fd=fan)
                if fsync:
                    os.fsync(fan)
                    os.fsync(space)
            return
        except FileNotFoundError:
            if not left:
                raise


def _open(namespace_dir: Path, name: BlockName) -> int:
    try:
        with open_directory(namespace_dir) as space, open_directory(name.fan, space) as fan:
            return os.open(name.filename, _READ, dir_fd=fan)
    except OSError as error:
        if _is_link(error, namespace_dir, name):
            raise BlockDamaged("a symbolic link stands in its place") from error
        raise


def _is_link(error: OSError, namespace_dir: Path, name: BlockName) -> bool:
    if isinstance(error, FileNotFoundError | PermissionError):
        return False
    fan = namespace_dir / name.fan
    return any(path.is_symlink() for path in (namespace_dir, fan, fan / name.filename))


def _read_header(fd: int, name: BlockName) -> Header:
    found = os.fstat(fd)
    if not stat.S_ISREG(found.st_mode):
        raise BlockDamaged("not a regular file")
    length = headers.decode_length(os.pread(fd, headers.LENGTH_BYTES, 0), found.st_size)
    raw = os.pread(fd, headers.LENGTH_BYTES + length, 0)
    if len(raw) < headers.LENGTH_BYTES + length:
        raise BlockDamaged("truncated while it was read")
    return headers.decode(raw, name, found.st_size)
