"""One part of one block as evaluated mlx arrays, and as bytes for whoever writes them."""

from __future__ import annotations

import errno
import math
from collections.abc import Mapping, Sequence

import mlx.core as mx

from omlx_daemon.coldstore.blockfile import Header, Tensor
from omlx_daemon.worker.backend.kv.buffers import StagingBuffer
from omlx_daemon.worker.backend.kv.memory import Export
from omlx_daemon.worker.backend.kv.rows import Arrays
from omlx_daemon.worker.cache.payload import Unusable

DTYPES = {
    mx.float32: "F32", mx.float16: "F16", mx.bfloat16: "BF16", mx.uint32: "U32", mx.int32: "I32", mx.uint8: "U8",
    mx.int8: "I8", mx.uint16: "U16", mx.int16: "I16", mx.int64: "I64", mx.uint64: "U64", mx.bool_: "BOOL",
}  # fmt: skip

Spec = tuple[str, mx.Dtype, tuple[int, ...]]
"""Name, dtype and shape of a stored array."""


class KvPayload:
    """Arrays by name, never changed. Their bytes can be had once they are there, which `seal` says."""

    def __init__(self, arrays: Mapping[str, mx.array], buffer: StagingBuffer | None = None) -> None:
        self.arrays: Arrays = dict(arrays)
        # Held so that the memory below the arrays is not filled again while they live.
        self._buffer = buffer
        self._exports: tuple[Export, ...] = ()
        self.is_ready = False
        """Whether other threads may ask for the tensors."""
        self.nbytes = buffer.nbytes if buffer else sum(int(array.nbytes) for array in self.arrays.values())
        """Bytes held in memory."""

    def seal(self, exports: Sequence[Export]) -> None:
        """Take how to get at the bytes of each array, so that other threads never ask mlx; none where that failed."""
        self._exports = tuple(exports)
        self.is_ready = True

    def tensors(self) -> Sequence[Tensor]:
        """Return the tensors as they are stored. Any thread; raises OSError where they cannot be had."""
        if len(self._exports) != len(self.arrays):
            raise OSError(errno.EIO, "the model's rows could not be copied")
        pairs = zip(self.arrays.items(), self._exports, strict=True)
        return [Tensor(name, DTYPES[array.dtype], tuple(array.shape), export()) for (name, array), export in pairs]


def in_file_order(specs: Sequence[Spec]) -> list[Spec]:
    """Return specs with the widest items first: then every array of a file is aligned."""
    return sorted(specs, key=lambda spec: -int(spec[1].size))


def size_bytes(specs: Sequence[Spec]) -> int:
    """Return the bytes of all arrays together."""
    return sum(_bytes(spec) for spec in specs)


def view(header: Header, buffer: StagingBuffer, specs: Sequence[Spec]) -> KvPayload:
    """Return the payload that lies in `buffer`. Raises Unusable unless it is just what `specs` say."""
    found = [(tensor.name, tensor.dtype, tensor.shape) for tensor in header.tensors]
    wanted = [(name, DTYPES[dtype], shape) for name, dtype, shape in specs]
    if found != wanted:
        raise Unusable("the file's tensors are not those of this model's layout")
    return lay(buffer, specs)


def lay(buffer: StagingBuffer, specs: Sequence[Spec]) -> KvPayload:
    """Return the payload whose arrays lie one after the other in `buffer`, from its start."""
    arrays, exports, start = {}, [], 0
    for spec in specs:
        name, dtype, shape = spec
        end = start + _bytes(spec)
        arrays[name] = buffer.array[start:end].view(dtype).reshape(shape)
        exports.append(buffer.export(start, end))
        start = end
    buffer.keep()
    payload = KvPayload(arrays, buffer)
    payload.seal(exports)
    return payload


def _bytes(spec: Spec) -> int:
    _, dtype, shape = spec
    return math.prod(shape) * int(dtype.size)
