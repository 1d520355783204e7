from __future__ import annotations

import json
import os
from pathlib import Path

import pytest
import safetensors
from hypothesis import given, settings
from hypothesis import strategies as st

from omlx_daemon.coldstore import blockfile
from omlx_daemon.coldstore.blockfile import BlockDamaged, Tensor
from omlx_daemon.coldstore.layout import block_path
from omlx_daemon.coldstore.names import BlockName, Part
from tests.coldstore.blocks import name, namespace, store, tensors


def test_a_block_comes_back_bit_for_bit(tmp_path: Path) -> None:
    directory, block, written = namespace(tmp_path), name(1), tensors(1, 4096)
    size = blockfile.write(directory, block, written, {"layers": "2"})
    assert size == block_path(directory, block).stat().st_size == blockfile.file_bytes(block, written, {"layers": "2"})
    header, payload = blockfile.read(directory, block)
    assert payload == b"".join(bytes(tensor.data) for tensor in written)
    assert [(t.name, t.dtype, t.shape) for t in header.tensors] == [(t.name, t.dtype, t.shape) for t in written]
    assert [payload[t.start : t.end] for t in header.tensors] == [bytes(t.data) for t in written]
    assert header.metadata["layers"] == "2"
    assert header.metadata["hash"] == block.hash.hex()
    assert header.metadata["parent"] == block.parent.hex()


def test_the_file_is_a_plain_safetensors_file(tmp_path: Path) -> None:
    directory = namespace(tmp_path)
    data = memoryview(bytearray(range(256)) * 4)
    block = name(2, part=Part.WINDOW, rows=128)
    blockfile.write(directory, block, [Tensor("a", "F32", (4, 64), data), Tensor("b", "U8", (0, 3), b"")], {})
    with safetensors.safe_open(block_path(directory, block), framework="numpy") as file:
        assert file.metadata()["rows"] == "128"
        assert file.get_tensor("a").tobytes() == bytes(data)
        assert file.get_tensor("b").shape == (0, 3)


def test_more_pieces_than_one_write_takes(tmp_path: Path) -> None:
    directory, block = namespace(tmp_path), name(3)
    many = [Tensor(f"t{i}", "I32", (i % 3,), bytes([i % 256]) * 4 * (i % 3)) for i in range(3000)]
    blockfile.write(directory, block, many, {})
    header, payload = blockfile.read(directory, block)
    assert len(header.tensors) == 3000
    assert payload == b"".join(bytes(tensor.data) for tensor in many)


def test_short_writes_are_finished(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    writev = os.writev

    def short(fd: int, pieces: list[memoryview]) -> int:
        return writev(fd, [pieces[0][:7]])

    monkeypatch.setattr(os, "writev", short)
    directory = namespace(tmp_path)
    block = store(directory, 4)
    assert blockfile.read(directory, block)[1] == b"".join(bytes(tensor.data) for tensor in tensors(4))


def test_an_existing_block_is_left_as_it_is(tmp_path: Path) -> None:
    directory = namespace(tmp_path)
    block = store(directory, 5)
    before = block_path(directory, block).stat()
    size = blockfile.write(directory, block, tensors(6, 4096), {})
    after = block_path(directory, block).stat()
    assert (after.st_ino, after.st_mtime_ns) == (before.st_ino, before.st_mtime_ns)
    assert size == before.st_size


def test_a_name_read_from_disk_opens_the_block(tmp_path: Path) -> None:
    directory = namespace(tmp_path)
    block = store(directory, 7, parent=name(6).hash)
    for parent in (block.parent, block.parent[:8]):
        assert blockfile.read(directory, BlockName(block.hash, parent, 256, Part.TOKENS))[0].payload_bytes == 256
    with pytest.raises(FileNotFoundError):
        blockfile.open_block(directory, BlockName(block.hash, bytes(8), 256, Part.TOKENS))


def test_a_missing_block_is_a_missing_file(tmp_path: Path) -> None:
    directory = namespace(tmp_path)
    with pytest.raises(FileNotFoundError):
        blockfile.open_block(directory, name(1))
    with pytest.raises(FileNotFoundError):
        blockfile.open_block(tmp_path / "none", name(1))


@pytest.mark.parametrize(
    ("tensor", "metadata", "says"),
    [
        (Tensor("a", "F32", (3,), b"12345678"), {}, "bytes"),
        (Tensor("__metadata__", "U8", (1,), b"1"), {}, "one name"),
        (Tensor("a", "U8", (1,), b"1"), {"xxh3": "0"}, "may not use"),
        (Tensor("a", "U8", (1,), b"1"), {"big": "x" * (1 << 20)}, "over"),
    ],
)
def test_what_cannot_be_stored_leaves_nothing(
    tmp_path: Path, tensor: Tensor, metadata: dict[str, str], says: str
) -> None:
    directory = namespace(tmp_path)
    with pytest.raises(ValueError, match=says):
        blockfile.write(directory, name(1), [tensor], metadata)
    assert [path.name for path in directory.iterdir()] == ["namespace.json"]


@pytest.mark.parametrize("call", ["writev", "rename", "fsync"])
def test_a_failing_disk_leaves_no_temporary(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, call: str) -> None:
    def fail(*args: object, **kwargs: object) -> int:
        raise OSError(5, "Input/output error")

    directory = namespace(tmp_path)
    monkeypatch.setattr(os, call, fail)
    with pytest.raises(OSError, match="Input/output"):
        blockfile.write(directory, name(1), tensors(1), {}, fsync=True)
    monkeypatch.undo()
    assert not list(directory.glob(".tmp-*"))


def test_reading_fills_no_more_than_the_payload_and_touches(tmp_path: Path) -> None:
    directory = namespace(tmp_path)
    block = store(directory, 8)
    path = block_path(directory, block)
    os.utime(path, ns=(0, 0))
    buffer = bytearray(b"\xff" * 300)
    with blockfile.open_block(directory, block) as opened:
        opened.read_into(memoryview(buffer))
        opened.touch()
        with pytest.raises(ValueError, match="the buffer"):
            opened.read_into(memoryview(buffer)[:255])
    assert bytes(buffer[256:]) == b"\xff" * 44
    assert path.stat().st_mtime_ns > 0


def test_the_directory_may_be_removed_between_making_and_rename(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    rename, calls = os.rename, []

    def racing(source: str, target: str, *, src_dir_fd: int, dst_dir_fd: int) -> None:
        calls.append(source)
        if len(calls) == 1:
            (directory / name(9).fan).rmdir()
        rename(source, target, src_dir_fd=src_dir_fd, dst_dir_fd=dst_dir_fd)

    directory = namespace(tmp_path)
    monkeypatch.setattr(os, "rename", racing)
    block = store(directory, 9)
    assert len(calls) == 2
    assert blockfile.read(directory, block)[0].payload_bytes == 256


def test_quarantine_takes_a_file_out_of_every_lookup(tmp_path: Path) -> None:
    directory = namespace(tmp_path)
    block = store(directory, 10)
    assert blockfile.quarantine(directory, block)
    assert not blockfile.quarantine(directory, block)
    with pytest.raises(FileNotFoundError):
        blockfile.open_block(directory, block)
    assert (directory / ".quarantine" / block.filename).stat().st_size > 256


@settings(deadline=None)
@given(st.binary(max_size=300))
def test_no_header_raises_anything_but_damage(tmp_path_factory: pytest.TempPathFactory, content: bytes) -> None:
    directory = namespace(tmp_path_factory.mktemp("header"))
    block = store(directory, 11)
    block_path(directory, block).write_bytes(content)
    with pytest.raises(BlockDamaged):
        blockfile.open_block(directory, block)


def test_the_header_is_aligned_json(tmp_path: Path) -> None:
    directory = namespace(tmp_path)
    raw = block_path(directory, store(directory, 12)).read_bytes()
    length = int.from_bytes(raw[:8], "little")
    assert (8 + length) % 64 == 0
    assert json.loads(raw[8 : 8 + length])["__metadata__"]["version"] == "1"
