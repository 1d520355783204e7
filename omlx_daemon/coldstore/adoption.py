"""A block file that comes from elsewhere: taken in only when all of it is what its name says."""

from __future__ import annotations

import os
from contextlib import suppress
from pathlib import Path
from typing import IO

from omlx_daemon.coldstore.blockfile import BlockDamaged, OpenBlock
from omlx_daemon.coldstore.documents import FILE_MODE, TEMPORARY_PREFIX
from omlx_daemon.coldstore.layout import make_directory, open_directory
from omlx_daemon.coldstore.names import BlockName

_CREATE = os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
_PIECE_BYTES = 4 << 20


def adopt(namespace_dir: Path, name: BlockName, content: IO[bytes]) -> None:
    """Store the file that `content` is as the block `name`, in the place of one that is there.

    Raises BlockDamaged where it is not what its name says, and OSError; neither leaves anything behind.
    """
    temporary = f"{TEMPORARY_PREFIX}{os.getpid()}-{os.urandom(8).hex()}"
    with open_directory(namespace_dir) as space:
        fd = os.open(temporary, _CREATE, FILE_MODE, dir_fd=space)
        try:
            with os.fdopen(os.dup(fd), "wb") as file:
                while piece := content.read(_PIECE_BYTES):
                    file.write(piece)
            _check(fd, name)
            with make_directory(name.fan, space) as fan:
                os.rename(temporary, name.filename, src_dir_fd=space, dst_dir_fd=fan)
        except BaseException:
            with suppress(OSError):
                os.unlink(temporary, dir_fd=space)
            raise


def _check(fd: int, name: BlockName) -> None:
    with OpenBlock(fd, name) as block:
        block.read_into(memoryview(bytearray(block.payload_bytes)))


__all__ = ["BlockDamaged", "adopt"]
