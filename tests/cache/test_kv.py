"""The code around mlx's caches, by itself: every class, exactly; staging memory; quantised rows."""

from __future__ import annotations

import gc
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

import mlx.core as mx
import pytest
from mlx_lm.models import cache as untyped_cache

from omlx_daemon.coldstore import header as headers
from omlx_daemon.coldstore.names import BlockName, Part
from omlx_daemon.worker.backend.kv.buffers import BufferPool, StagingBuffer
from omlx_daemon.worker.backend.kv.codec import KvCodec
from omlx_daemon.worker.backend.kv.leaves import KvLayout, Unsupported, layout
from omlx_daemon.worker.backend.kv.memory import Export, HostMemory, Memory, SharedMemory
from omlx_daemon.worker.backend.kv.payloads import KvPayload
from omlx_daemon.worker.backend.kv.raw import bytes_of, copied
from omlx_daemon.worker.backend.kv.rows import Source
from omlx_daemon.worker.cache.payload import Span, Unusable

mlx_cache: Any = untyped_cache
HEADS, WIDTH = 2, 64


class Rows:
    """A model that is nothing but its caches: every token appends random rows."""

    def __init__(self, make: Callable[[], list[Any]], dtype: mx.Dtype = mx.bfloat16) -> None:
        self.make_cache, self._dtype = make, dtype

    def __call__(self, tokens: mx.array, cache: list[Any]) -> mx.array:
        for one in cache:
            for leaf in getattr(one, "caches", [one]):
                self._feed(leaf, tokens.shape[1])
        return tokens

    def _feed(self, leaf: Any, count: int) -> None:
        if isinstance(leaf, mlx_cache.ArraysCache):
            leaf[0], leaf[1] = (self._random(1, 3, 5), mx.random.normal((1, 2, 4, 4)))
            return
        if isinstance(leaf, mlx_cache.ChunkedKVCache):
            leaf.maybe_trim_front()
        leaf.update_and_fetch(self._random(1, HEADS, count, WIDTH), self._random(1, HEADS, count, WIDTH // 2))

    def _random(self, *shape: int) -> mx.array:
        return mx.random.normal(shape).astype(self._dtype)


def filled(model: Rows, *chunks: int) -> list[Any]:
    caches = model.make_cache()
    for chunk in chunks:
        model(mx.zeros((1, chunk)), caches)
    mx.eval([one.state for one in caches])
    return caches


def through(codec: KvCodec, source: Source, name: BlockName, start: int, end: int) -> KvPayload:
    """Return a part as it comes back from a file's bytes."""
    payload = codec.capture(source, name.part, start, end)
    codec.settle([payload])
    codec.seal(all_of_them=True)
    tensors = payload.tensors()
    raw = headers.encode(name, [(one.name, one.dtype, one.shape) for one in tensors], {}, "0" * 32)
    header = headers.decode(raw, name, len(raw) + sum(len(one.data) for one in tensors))
    buffer = codec.buffer(header.payload_bytes, bounded=True)
    assert buffer is not None
    fill(buffer, b"".join(tensor.data for tensor in tensors))
    return codec.decode(name, header, buffer)


def fill(buffer: StagingBuffer, data: bytes) -> None:
    done = 0
    for piece in buffer.pieces(len(data)):
        piece[:] = data[done : done + len(piece)]
        done += len(piece)


def name_of(part: Part, tokens: int, rows: int = 0) -> BlockName:
    return BlockName(bytes(32), bytes(32), tokens, part, rows)


def same(one: mx.array, other: mx.array) -> bool:
    return one.shape == other.shape and bytes(bytes_of(mx.contiguous(one))) == bytes(bytes_of(mx.contiguous(other)))


PLAIN: dict[str, Callable[[], list[Any]]] = {
    "plain": lambda: [mlx_cache.KVCache(), mlx_cache.KVCache()],
    "concatenate": lambda: [mlx_cache.ConcatenateKVCache()],
    "quantized": lambda: [mlx_cache.QuantizedKVCache(group_size=32, bits=8)],
    "list": lambda: [mlx_cache.CacheList(mlx_cache.KVCache(), mlx_cache.KVCache())],
}


@pytest.mark.parametrize("memory", [SharedMemory, HostMemory])
@pytest.mark.parametrize("dtype", [mx.bfloat16, mx.float16, mx.float32], ids=str)
@pytest.mark.parametrize("kind", PLAIN)
def test_rows_come_back_to_the_bit(kind: str, dtype: mx.Dtype, memory: Callable[[], Memory]) -> None:
    model = Rows(PLAIN[kind], dtype)
    found = layout(model)
    codec, caches = KvCodec(found, memory=memory()), filled(model, 200, 100)
    assembly = codec.assembly(512)
    tail = through(codec, Source(caches), name_of(Part.TOKENS, 44), 256, 300)
    head = through(codec, Source(caches), name_of(Part.TOKENS, 256), 0, 256)
    assembly.place(tail, 40, 256)
    assembly.place(head, 256, 0)
    assembly.settle()
    restored: Any = assembly.finish(296, [], None)
    for one, other in zip(_leaves(caches), _leaves(restored), strict=True):
        for mine, its in zip(_arrays(one), _arrays(other), strict=True):
            assert same(mine[..., :296, :], its[..., :296, :])


def _leaves(caches: list[Any]) -> list[Any]:
    return [leaf for one in caches for leaf in getattr(one, "caches", [one])]


def _arrays(leaf: Any) -> list[mx.array]:
    pair = (leaf.keys, leaf.values)
    return [array for arrays in pair for array in arrays] if isinstance(pair[0], tuple) else list(pair)


@pytest.mark.parametrize("memory", [SharedMemory, HostMemory])
@pytest.mark.parametrize("chunks", [(90,), (300,), (300, 200), (290, *[1] * 80), (40, *[1] * 20)], ids=str)
@pytest.mark.parametrize("kind", [mlx_cache.RotatingKVCache, mlx_cache.ChunkedKVCache])
def test_a_window_goes_on_as_if_it_had_never_stopped(
    kind: type, chunks: tuple[int, ...], memory: Callable[[], Memory]
) -> None:
    model = Rows(lambda: [kind(100)], mx.float32)
    codec, caches, total = KvCodec(layout(model), memory=memory()), filled(model, *chunks), sum(chunks)
    count = min(100, total)
    part = through(codec, Source(caches), name_of(Part.WINDOW, 256, count), total - count, total)
    single = KvCodec(_single(layout(model)))
    restored: Any = single.assembly(512).finish(total, [Span(part, total, total)], None)
    for step in (1, 1, 30, 1):
        keys = mx.random.normal((1, HEADS, step, WIDTH))
        values = mx.random.normal((1, HEADS, step, WIDTH // 2))
        for cache in (*caches, *restored):
            if kind is mlx_cache.ChunkedKVCache:
                cache.maybe_trim_front()
        mine, its = (cache.update_and_fetch(keys, values) for cache in (caches[0], restored[0]))
        if step > 1 or kind is mlx_cache.ChunkedKVCache:
            least = min(mine[0].shape[2], its[0].shape[2])
            assert all(same(a[..., -least:, :], b[..., -least:, :]) for a, b in zip(mine, its, strict=True))
        assert mine[0].sum().item() == pytest.approx(its[0].sum().item(), rel=1e-4) or step > 1


def _single(found: KvLayout) -> KvLayout:
    """Return the layout of a model that mlx-lm cannot batch, so that restored caches stay single."""
    return replace(found, leaves=tuple(replace(leaf, batchable=False) for leaf in found.leaves))


def test_a_state_comes_back_to_the_bit_and_shares_no_memory() -> None:
    model = Rows(lambda: [mlx_cache.ArraysCache(2), mlx_cache.ArraysCache(2)])
    codec, caches = KvCodec(layout(model)), filled(model, 50)
    part = through(codec, Source(caches), name_of(Part.STATE, 50), 0, 50)
    restored: Any = codec.assembly(256).finish(50, [], part)
    for array in part.arrays.values():
        bytes_of(array)[:] = bytes(array.nbytes)
    for one, other in zip(caches, restored, strict=True):
        assert all(same(mine, its) for mine, its in zip(one.cache, other.cache, strict=True))


def test_what_is_not_known_is_unsupported() -> None:
    strange: Any = type("Strange", (mlx_cache.KVCache,), {})
    for make in (
        lambda: [strange()],
        lambda: [mlx_cache.RotatingKVCache(100, keep=4)],
        list,
        lambda: [mlx_cache.CacheList(mlx_cache.CacheList(mlx_cache.KVCache()))],
    ):
        with pytest.raises(Unsupported):
            layout(Rows(make))


def test_rows_that_are_not_alive_or_not_as_promised_are_unusable() -> None:
    model = Rows(lambda: [mlx_cache.RotatingKVCache(100), mlx_cache.KVCache()])
    codec, caches = KvCodec(layout(model)), filled(model, 300, 1)
    with pytest.raises(Unusable, match="not alive"):
        codec.capture(Source(caches), Part.WINDOW, 100, 150)
    with pytest.raises(Unusable, match="not alive"):
        codec.capture(Source(caches), Part.TOKENS, 256, 302)
    other = filled(Rows(model.make_cache, mx.float32), 300)
    with pytest.raises(Unusable, match="not as it was"):
        codec.capture(Source(other), Part.TOKENS, 0, 256)


def test_a_file_with_other_tensors_is_unusable() -> None:
    plain, wide = Rows(PLAIN["plain"]), Rows(PLAIN["plain"], mx.float32)
    codec, other = KvCodec(layout(plain)), KvCodec(layout(wide))
    name = name_of(Part.TOKENS, 256)
    payload = other.capture(Source(filled(wide, 256)), Part.TOKENS, 0, 256)
    other.settle([payload])
    other.seal(all_of_them=True)
    infos = [(one.name, one.dtype, one.shape) for one in payload.tensors()]
    raw = headers.encode(name, infos, {}, "0" * 32)
    header = headers.decode(raw, name, len(raw) + payload.nbytes)
    buffer = codec.buffer(payload.nbytes, bounded=True)
    assert buffer is not None
    with pytest.raises(Unusable, match="layout"):
        codec.decode(name, header, buffer)


@pytest.mark.parametrize(("bits", "share", "error"), [(16, 1.0, 0.0), (8, 9 / 32, 0.03), (4, 5 / 32, 0.5)])
def test_stored_bits_set_size_and_error_of_rows(bits: int, share: float, error: float) -> None:
    model = Rows(lambda: [mlx_cache.KVCache(), mlx_cache.ArraysCache(2)], mx.float32)
    found = layout(model)
    exact, codec, caches = KvCodec(found), KvCodec(found, store_bits=bits), filled(model, 256)
    source, name = Source(caches), name_of(Part.TOKENS, 256)
    part = through(codec, source, name, 0, 256)
    plain = through(exact, source, name, 0, 256)
    stored = sum(array.nbytes for array in part.arrays.values())
    assert stored / sum(array.nbytes for array in plain.arrays.values()) == pytest.approx(share, rel=0.2)
    state = through(codec, source, name_of(Part.STATE, 256), 0, 256)
    assembly = codec.assembly(512)
    assembly.place(part, 256, 0)
    restored: Any = assembly.finish(256, [], state)
    difference = float(mx.abs(restored[0].keys[..., :256, :] - caches[0].keys[..., :256, :]).max())
    assert (difference == 0) if bits == 16 else (0 < difference < error)
    assert all(same(mine, its) for mine, its in zip(caches[1].cache, restored[1].cache, strict=True))


def test_other_bits_are_refused() -> None:
    with pytest.raises(ValueError, match="16, 8 or 4"):
        KvCodec(layout(Rows(PLAIN["plain"])), store_bits=5)


def test_staging_memory_is_bounded_and_used_again_only_when_free() -> None:
    pool = BufferPool(SharedMemory(), limit_bytes=270_000, spare_bytes=1 << 20)
    first, second = pool.take(100_000, bounded=True), pool.take(1, bounded=True)
    assert first is not None
    assert second is not None
    assert first.nbytes == 131_072
    assert pool.take(100_000, bounded=True) is None
    assert pool.take(100_000, bounded=False) is not None
    gc.collect()
    fill(first, b"old")
    fill(second, b"old")
    first.keep()
    assert pool.transit_bytes == second.nbytes
    del first
    third, fourth = pool.take(131_072, bounded=True), pool.take(1, bounded=True)
    assert third is not None
    assert fourth is not None
    assert bytes(third.export(0, 3)()) == b"old", "a free buffer is used again"
    assert bytes(fourth.export(0, 3)()) == bytes(3), "one that is held is not"


@pytest.mark.parametrize("row", [0, 1, 2])
@pytest.mark.parametrize("spread", [False, True], ids=["in a row", "with gaps"])
def test_copies_made_at_once_are_what_mlx_copies(row: int, spread: bool) -> None:
    """One row of a batch, in arrays whose rows lie one after the other or not, while they are still to be computed."""
    model = Rows(PLAIN["plain"])
    alone = [filled(model, count) for count in (260, 300, 280)]
    merged = [mlx_cache.KVCache.merge([caches[layer] for caches in alone]) for layer in range(2)]
    for cache in merged:
        for name in ("keys", "values"):
            array = getattr(cache, name)
            room = mx.concatenate([array, array], axis=2)
            setattr(cache, name, room[..., : array.shape[2], :] if spread else mx.contiguous(array))
    parts = []
    for memory in (SharedMemory(), HostMemory()):
        codec = KvCodec(layout(model), memory=memory)
        payload = codec.capture(Source(merged, row), Part.TOKENS, 256, 260)
        codec.settle([payload])
        codec.seal(all_of_them=True)
        parts.append([bytes(tensor.data) for tensor in payload.tensors()])
    assert parts[0] == parts[1]
    expected = alone[row][0].keys[0, :, 256:260]
    assert parts[1][0][: expected.nbytes] == bytes(bytes_of(mx.contiguous(expected)))


def test_a_copy_made_at_once_is_ready_and_no_longer_depends_on_the_model() -> None:
    model = Rows(PLAIN["plain"])
    codec, caches = KvCodec(layout(model), memory=HostMemory()), filled(model, 256)
    payload = codec.capture(Source(caches), Part.TOKENS, 0, 256)
    assert payload.is_ready
    before = [bytes(tensor.data) for tensor in payload.tensors()]
    bytes_of(caches[0].keys)[:] = bytes(caches[0].keys.nbytes)
    codec.settle([payload])
    codec.seal(all_of_them=True)
    assert [bytes(tensor.data) for tensor in payload.tensors()] == before
    assert bytes(bytes_of(payload.arrays["t0.k"])) == before[0]


def test_a_copy_shares_no_memory() -> None:
    for dtype in (mx.bfloat16, mx.float32, mx.uint8):
        array = mx.ones((4, 8)).astype(dtype)
        mx.eval(array)
        other = copied(array)
        mx.eval(other)
        bytes_of(array)[:] = bytes(array.nbytes)
        assert other.sum().item() == 32


def test_bytes_are_handed_out_when_the_next_call_to_seal_finds_the_copy_older() -> None:
    model = Rows(PLAIN["plain"])
    codec, caches = KvCodec(layout(model)), filled(model, 512)
    first, second = (codec.capture(Source(caches), Part.TOKENS, start, start + 256) for start in (0, 256))
    ready = []
    for begun, all_of_them in (([first], False), ([second], False), ([], True)):
        codec.settle(begun)
        codec.seal(all_of_them)
        ready.append((first.is_ready, second.is_ready))
    assert ready == [(False, False), (True, False), (True, True)]
    assert [bytes(one.data) for one in first.tensors()] != [bytes(one.data) for one in second.tensors()]


def test_a_copy_that_fails_is_never_written() -> None:
    class Broken(SharedMemory):
        def exports(self, arrays: Sequence[mx.array]) -> Callable[[], list[Export]]:
            def fail() -> list[Export]:
                raise RuntimeError("out of memory")

            return fail

    model = Rows(PLAIN["plain"])
    codec, caches = KvCodec(layout(model), memory=Broken()), filled(model, 256)
    payload = codec.capture(Source(caches), Part.TOKENS, 0, 256)
    codec.settle([payload])
    codec.seal(all_of_them=True)
    with pytest.raises(OSError, match="could not be copied"):
        payload.tensors()
