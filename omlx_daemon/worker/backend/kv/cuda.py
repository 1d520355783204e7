"""The copy engine of an NVIDIA GPU, by the driver's own interface."""

from __future__ import annotations

import ctypes
import errno
from collections.abc import Callable, Sequence
from typing import Any

import mlx.core as mx

from omlx_daemon.worker.backend.kv.raw import begin

_LIBRARY = "libcuda.so.1"
_DEVICE = 0
_PORTABLE = 1
_BESIDE_OTHERS = 1
"""A stream that does not wait for the default one."""
_ADDRESS_NAME = "omlx_address"
# mlx hands out no address on a device; a kernel is told its own arguments. As PTX it needs no compiler.
_ADDRESS = b"""
.version 6.3
.target sm_75
.address_size 64
.visible .entry omlx_address(.param .u64 array, .param .u64 address)
{
    .reg .b64 %place<3>;
    ld.param.u64 %place1, [array];
    ld.param.u64 %place2, [address];
    cvta.to.global.u64 %place2, %place2;
    st.global.u64 [%place2], %place1;
    ret;
}
"""

Pointer = ctypes.c_void_p
Size = ctypes.c_size_t


class CudaDriver:
    """`discrete.Driver` for the device that mlx computes on."""

    def __init__(self) -> None:
        """Open the driver. Raises OSError where there is none that does as expected."""
        self._library = ctypes.CDLL(_LIBRARY)
        self._context = Pointer()
        self._call("cuInit", 0)
        self._call("cuDevicePrimaryCtxRetain", ctypes.byref(self._context), _DEVICE)

    def addresses(self, arrays: Sequence[mx.array]) -> Callable[[], list[int]]:
        """Begin to evaluate arrays; return what waits for that and says where they lie. Engine thread."""
        found = [_address(array) for array in arrays]
        begin([*arrays, *found])
        return lambda: [_number(address) for address in found]

    def reserve(self, size_bytes: int) -> int:
        """Return the address of new host memory that does not move."""
        host = Pointer()
        self._enter()
        self._call("cuMemHostAlloc", ctypes.byref(host), Size(size_bytes), _PORTABLE)
        return int(host.value or 0)

    def release(self, host: int) -> None:
        """Give such memory back."""
        self._enter()
        self._call("cuMemFreeHost", Pointer(host))

    def queue(self) -> int:
        """Return a new stream."""
        stream = Pointer()
        self._enter()
        self._call("cuStreamCreate", ctypes.byref(stream), _BESIDE_OTHERS)
        return int(stream.value or 0)

    def upload(self, queue: int, host: int, device: int, size_bytes: int) -> None:
        """Begin a copy to the device."""
        self._enter()
        self._call("cuMemcpyHtoDAsync_v2", Pointer(device), Pointer(host), Size(size_bytes), Pointer(queue))

    def download(self, queue: int, device: int, host: int, size_bytes: int) -> None:
        """Begin a copy from the device."""
        self._enter()
        self._call("cuMemcpyDtoHAsync_v2", Pointer(host), Pointer(device), Size(size_bytes), Pointer(queue))

    def wait(self, queue: int) -> None:
        """Return when the stream's copies are done."""
        self._enter()
        self._call("cuStreamSynchronize", Pointer(queue))

    def _enter(self) -> None:
        """Make this thread one of the device's."""
        self._call("cuCtxSetCurrent", self._context)

    def _call(self, name: str, *arguments: object) -> None:
        result = getattr(self._library, name)(*arguments)
        if result:
            raise OSError(errno.EIO, f"CUDA's {name} failed with {result}")


def _address(array: mx.array) -> mx.array:
    run: Callable[..., list[mx.array]] = mx.fast.precompiled_cuda_kernel
    (address,) = run(
        name=_ADDRESS_NAME,
        compiled_source=_ADDRESS,
        inputs=[array],
        output_shapes=[(1,)],
        output_dtypes=[mx.uint64],
        scalars=[],
        grid=(1, 1, 1),
        threadgroup=(1, 1, 1),
    )
    return address


def _number(array: mx.array) -> int:
    number: Any = array.item()
    return int(number)
