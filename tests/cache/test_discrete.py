"""A GPU with memory of its own, played by a driver that copies within the host: the same bytes come and go."""

from __future__ import annotations

import ctypes
import errno
import gc
from collections.abc import Callable, Sequence
from contextlib import closing
from typing import Any

import mlx.core as mx
import pytest
from mlx_lm.models import cache as untyped_cache

from omlx_daemon.coldstore.names import Part
from omlx_daemon.worker.backend.kv.codec import KvCodec
from omlx_daemon.worker.backend.kv.discrete import SLOT_BYTES, DiscreteMemory
from omlx_daemon.worker.backend.kv.leaves import layout
from omlx_daemon.worker.backend.kv.raw import begin, bytes_of
from omlx_daemon.worker.backend.kv.rows import Source
from omlx_daemon.worker.cache.payload import Unusable

from .test_kv import PLAIN, Rows, filled, name_of, same, through

mlx_cache: Any = untyped_cache


class Copies:
    """Memory is the host's; a copy happens when its queue is waited for."""

    def __init__(self) -> None:
        self.host: dict[int, Any] = {}
        self.queued: dict[int, list[tuple[int, int, int]]] = {}
        self.broken = False

    def addresses(self, arrays: Sequence[mx.array]) -> Callable[[], list[int]]:
        begin(arrays)
        return lambda: [ctypes.addressof(ctypes.c_uint8.from_buffer(bytes_of(array))) for array in arrays]

    def reserve(self, size_bytes: int) -> int:
        memory = ctypes.create_string_buffer(size_bytes)
        self.host[ctypes.addressof(memory)] = memory
        return ctypes.addressof(memory)

    def release(self, host: int) -> None:
        del self.host[host]

    def queue(self) -> int:
        self.queued[len(self.queued)] = []
        return len(self.queued) - 1

    def upload(self, queue: int, host: int, device: int, size_bytes: int) -> None:
        self.queued[queue].append((device, host, size_bytes))

    def download(self, queue: int, device: int, host: int, size_bytes: int) -> None:
        self.queued[queue].append((host, device, size_bytes))

    def wait(self, queue: int) -> None:
        if self.broken:
            raise OSError(errno.EIO, "the bus is gone")
        for target, source, size_bytes in self.queued[queue]:
            ctypes.memmove(target, source, size_bytes)
        self.queued[queue].clear()


@pytest.fixture
def driver() -> Copies:
    return Copies()


@pytest.mark.parametrize("kind", PLAIN)
@pytest.mark.parametrize("bits", [16, 8])
def test_rows_cross_and_come_back(kind: str, bits: int, driver: Copies) -> None:
    model = Rows(PLAIN[kind], mx.float32)
    found = layout(model)
    caches = filled(model, 300, 1000)
    codec, plain = KvCodec(found, store_bits=bits, memory=DiscreteMemory(driver)), KvCodec(found, store_bits=bits)
    assemblies = codec.assembly(1536), plain.assembly(1536)
    for start in (1024, 256, 0, 1280, 512, 768):
        end = min(start + 256, 1300)
        for one, assembly in zip((codec, plain), assemblies, strict=True):
            part = through(one, Source(caches), name_of(Part.TOKENS, end - start), start, end)
            assembly.place(part, end - start, start)
    restored: list[Any] = [assembly.finish(1300, [], None) for assembly in assemblies]
    for mine, its in zip(*restored, strict=True):
        for array, other in zip(_arrays(mine), _arrays(its), strict=True):
            assert same(array[..., :1300, :], other[..., :1300, :])
    for mine, live in zip(restored[0], caches if bits == 16 else [], strict=bits == 16):
        for array, other in zip(_arrays(mine), _arrays(live), strict=True):
            assert same(array[..., :1300, :], other[..., :1300, :])


def _arrays(cache: Any) -> list[mx.array]:
    leaves = getattr(cache, "caches", [cache])
    pairs = [pair for leaf in leaves for pair in (leaf.keys, leaf.values)]
    return [array for pair in pairs for array in (pair if isinstance(pair, tuple) else [pair])]


def test_gathered_rows_are_the_same_and_keep_nothing_else(driver: Copies) -> None:
    model = Rows(PLAIN["plain"], mx.float32)
    codec, caches = KvCodec(layout(model), memory=DiscreteMemory(driver)), filled(model, 1000)
    source, spans = Source(caches), [(256, 512), (512, 768), (768, 1000)]
    alone = [codec.capture(source, Part.TOKENS, *span) for span in spans]
    codec.settle(alone)
    codec.seal(all_of_them=True)
    codec.gather(source, 256, 1000)
    gathered = [codec.capture(source, Part.TOKENS, *span) for span in spans]
    outside = codec.capture(source, Part.TOKENS, 0, 256)
    codec.settle([*gathered, outside])
    codec.seal(all_of_them=True)
    for one, other in zip(alone, gathered, strict=True):
        assert [bytes(tensor.data) for tensor in one.tensors()] == [bytes(tensor.data) for tensor in other.tensors()]
    assert outside.nbytes == gathered[0].nbytes
    places = {id(array): driver.addresses([array])()[0] for part in gathered for array in part.arrays.values()}
    assert len({place // 4096 for place in places.values()}) == len(places), "every array has memory of its own"
    with pytest.raises(Unusable, match="not alive"):
        codec.gather(source, 512, 1100)


def test_a_big_file_is_filled_in_pieces(driver: Copies) -> None:
    memory = DiscreteMemory(driver)
    size_bytes = 2 * SLOT_BYTES + 12_345
    array = mx.zeros((size_bytes,), mx.uint8)
    mx.eval(array)
    data = bytes(range(251)) * (size_bytes // 251 + 1)
    done, landing = 0, memory.landings([array])[0]
    with closing(landing.pieces(size_bytes)) as pieces:
        for piece in pieces:
            piece[:] = data[done : done + len(piece)]
            done += len(piece)
    assert done == size_bytes
    assert bytes(landing.export(0, size_bytes)()) == bytes(bytes_of(array)) == data[:size_bytes]
    assert bytes(landing.export(SLOT_BYTES - 1, SLOT_BYTES + 1)()) == data[SLOT_BYTES - 1 : SLOT_BYTES + 1]


def test_giving_up_half_way_leaves_nothing_on_its_way(driver: Copies) -> None:
    memory = DiscreteMemory(driver)
    array = mx.zeros((3 * SLOT_BYTES,), mx.uint8)
    mx.eval(array)
    with closing(memory.landings([array])[0].pieces(3 * SLOT_BYTES)) as pieces:
        next(pieces)
        next(pieces)
        assert any(driver.queued.values())
    assert not any(driver.queued.values())


def test_host_memory_is_used_again_when_nobody_looks_at_it(driver: Copies) -> None:
    memory = DiscreteMemory(driver)
    array = mx.arange(100).astype(mx.uint8)
    (export,) = memory.exports([array])()
    first = export()
    reserved = len(driver.host)
    second = export()
    assert len(driver.host) == reserved + 1
    part = first[5:7]
    del first
    gc.collect()
    assert len(driver.host) == reserved + 1
    assert bytes(part) == bytes([5, 6])
    del part, second
    gc.collect()
    third, fourth = export(), export()
    assert len(driver.host) == reserved + 1
    assert bytes(third) == bytes(fourth) == bytes(range(100))


def test_more_host_memory_than_is_worth_keeping_is_given_back(driver: Copies) -> None:
    memory = DiscreteMemory(driver)
    array = mx.zeros((40 << 20,), mx.uint8)
    (export,) = memory.exports([array])()
    reserved = len(driver.host)
    views = [export() for _ in range(5)]
    assert len(driver.host) == reserved + 5
    del views
    gc.collect()
    assert len(driver.host) == reserved + 3


def test_a_copy_that_fails_is_an_error_of_that_file_alone(driver: Copies) -> None:
    memory = DiscreteMemory(driver)
    array = mx.arange(100).astype(mx.uint8)
    (export,) = memory.exports([array])()
    driver.broken = True
    with pytest.raises(OSError, match="bus is gone"):
        export()
    with pytest.raises(OSError, match="bus is gone"):
        for _ in memory.landings([array])[0].pieces(100):
            pass
    driver.broken = False
    assert bytes(export()) == bytes(range(100))
