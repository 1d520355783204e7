"""A GPU with memory of its own: bytes cross to it and back by its copy engine, beside what it computes.

mlx's own way to the bytes of an array would move the array itself into pages that wander to and fro.
"""

from __future__ import annotations

import ctypes
import threading
import weakref
from collections.abc import Callable, Generator, Sequence
from contextlib import contextmanager
from functools import partial
from typing import Protocol

import mlx.core as mx

from omlx_daemon.worker.backend.kv.memory import Export

SLOT_BYTES = 4 << 20
LANES = 8
_HOST_STEP_BYTES = 4 << 20
_SPARE_HOST_BYTES = 128 << 20


class Driver(Protocol):
    """The copy engine. Any thread, but for `addresses`; everything raises OSError."""

    def addresses(self, arrays: Sequence[mx.array]) -> Callable[[], list[int]]:
        """Begin to evaluate arrays; return what waits for that and says where they lie on the device. Engine thread."""
        ...

    def reserve(self, size_bytes: int) -> int:
        """Return the address of new host memory that the copy engine can reach."""
        ...

    def release(self, host: int) -> None:
        """Give such memory back."""
        ...

    def queue(self) -> int:
        """Return a new queue of copies, which are done one after the other."""
        ...

    def upload(self, queue: int, host: int, device: int, size_bytes: int) -> None:
        """Begin a copy to the device."""
        ...

    def download(self, queue: int, device: int, host: int, size_bytes: int) -> None:
        """Begin a copy from the device."""
        ...

    def wait(self, queue: int) -> None:
        """Return when the queue's copies are done."""
        ...


class Lane:
    """A queue and two slots of host memory: while one is on its way, the other is filled."""

    def __init__(self, driver: Driver) -> None:
        self._driver = driver
        self.queue = driver.queue()
        self._slots = [driver.reserve(SLOT_BYTES) for _ in range(2)]

    def pieces(self, address: int, size_bytes: int) -> Generator[memoryview]:
        """Yield host memory, and copy what was filled to the device from `address` on."""
        try:
            for number, start in enumerate(range(0, size_bytes, SLOT_BYTES)):
                slot, count = self._slots[number % 2], min(SLOT_BYTES, size_bytes - start)
                yield _view(slot, count)
                self._driver.wait(self.queue)
                self._driver.upload(self.queue, slot, address + start, count)
        finally:
            self._driver.wait(self.queue)


class HostPool:
    """Host memory for copies from the device, used again when nobody looks at it any more. Any thread."""

    def __init__(self, driver: Driver) -> None:
        self._driver = driver
        # Re-entrant: collecting garbage under the lock may drop a view, and that takes the lock.
        self._lock = threading.RLock()
        self._free: dict[int, list[int]] = {}
        self._free_bytes = 0

    def take(self, size_bytes: int) -> tuple[int, memoryview]:
        """Return host memory and its address; it comes back when the last view of it is gone."""
        room_bytes = max(1, -(-size_bytes // _HOST_STEP_BYTES)) * _HOST_STEP_BYTES
        with self._lock:
            spare = self._free.get(room_bytes)
            host = spare.pop() if spare else 0
            self._free_bytes -= room_bytes if host else 0
        host = host or self._driver.reserve(room_bytes)
        array = (ctypes.c_uint8 * size_bytes).from_address(host)
        weakref.finalize(array, self._give, host, room_bytes).atexit = False
        return host, memoryview(array).cast("B")

    def _give(self, host: int, room_bytes: int) -> None:
        with self._lock:
            is_kept = self._free_bytes + room_bytes <= _SPARE_HOST_BYTES
            if is_kept:
                self._free.setdefault(room_bytes, []).append(host)
                self._free_bytes += room_bytes
        if not is_kept:
            self._driver.release(host)


class DeviceLanding:
    """An array on the device, by its address."""

    def __init__(self, memory: DiscreteMemory, address: int) -> None:
        self._memory, self._address = memory, address

    def pieces(self, size_bytes: int) -> Generator[memoryview]:
        """Yield host memory that is copied to the device."""
        with self._memory.lane() as lane:
            yield from lane.pieces(self._address, size_bytes)

    def export(self, start: int, end: int) -> Export:
        """Return how to copy the bytes from `start` to `end` to the host."""
        return partial(self._memory.fetch, self._address + start, end - start)


class DiscreteMemory:
    """The device's memory behind a driver."""

    staging_bytes = 512 << 20
    gathers = True
    copies_at_once = False
    landings_at_once = 4

    def __init__(self, driver: Driver) -> None:
        """Reserve host memory for a few threads that read. Raises OSError."""
        self._driver, self._host = driver, HostPool(driver)
        self._lock = threading.Lock()
        self._lanes = [Lane(driver) for _ in range(LANES)]

    def landings(self, arrays: Sequence[mx.array]) -> list[DeviceLanding]:
        """Return the arrays' memory on the device."""
        return [DeviceLanding(self, address) for address in self._driver.addresses(arrays)()]

    def exports(self, arrays: Sequence[mx.array]) -> Callable[[], list[Export]]:
        """Ask for the arrays' addresses. They stay where they are as long as nobody asks mlx for their bytes."""
        found, sizes = self._driver.addresses(arrays), [int(array.nbytes) for array in arrays]
        return lambda: [partial(self.fetch, *place) for place in zip(found(), sizes, strict=True)]

    def fetch(self, address: int, size_bytes: int) -> memoryview:
        """Return a copy of the device's bytes. Any thread; raises OSError."""
        host, view = self._host.take(size_bytes)
        with self.lane() as lane:
            self._driver.download(lane.queue, address, host, size_bytes)
            self._driver.wait(lane.queue)
        return view

    @contextmanager
    def lane(self) -> Generator[Lane]:
        """Lend a lane that nobody else uses."""
        with self._lock:
            lane = self._lanes.pop() if self._lanes else None
        lane = lane or Lane(self._driver)
        try:
            yield lane
        finally:
            with self._lock:
                self._lanes.append(lane)


def _view(host: int, size_bytes: int) -> memoryview:
    return memoryview((ctypes.c_uint8 * size_bytes).from_address(host)).cast("B")
