"""The copy engine of an NVIDIA GPU, by the driver's own interface."""

from __future__ import annotations

import ctypes
import errno
from collections.abc import Callable, Sequence
from typing import Any

import mlx.core as mx

_LIBRARY = "libcuda.so.1"
_DEVICE = 0
_PORTABLE = 1
_BESIDE_OTHERS = 1
"""A stream that does not wait for the default one."""
# mlx hands out no address on a device; a kernel is told its own arguments.
_ADDRESS = "if (threadIdx.x == 0) { address[0] = (unsigned long long)(const void*)array; }"

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
        make: Callable[..., Any] = mx.fast.cuda_kernel
        self._kernel = make(name="omlx_address", input_names=["array"], output_names=["address"], source=_ADDRESS)

    def addresses(self, arrays: Sequence[mx.array]) -> list[int]:
        """Evaluate arrays and return where they lie. Engine thread."""
        found = [self._address(array) for array in arrays]
        mx.eval([*arrays, *found])
        places: list[Any] = [address.item() for address in found]
        return places

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

    def _address(self, array: mx.array) -> mx.array:
        made: list[mx.array] = self._kernel(
            inputs=[array],
            grid=(1, 1, 1),
            threadgroup=(1, 1, 1),
            output_shapes=[(1,)],
            output_dtypes=[mx.uint64],
        )
        return made[0]

    def _enter(self) -> None:
        """Make this thread one of the device's."""
        self._call("cuCtxSetCurrent", self._context)

    def _call(self, name: str, *arguments: object) -> None:
        result = getattr(self._library, name)(*arguments)
        if result:
            raise OSError(errno.EIO, f"CUDA's {name} failed with {result}")
