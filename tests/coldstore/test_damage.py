from __future__ import annotations

import json
import os
import random
import struct
import tempfile
from collections.abc import Callable
from pathlib import Path

import pytest
import xxhash

from omlx_daemon.coldstore import blockfile
from omlx_daemon.coldstore.blockfile import BlockDamaged
from omlx_daemon.coldstore.layout import block_path
from omlx_daemon.coldstore.names import BlockName
from tests.coldstore.blocks import FINGERPRINT, name, namespace, store

FILES = 1000


def test_one_flipped_bit_in_each_of_a_thousand_files_is_found(tmp_path: Path) -> None:
    directory, chance = namespace(tmp_path), random.Random(3)
    found = 0
    for seed in range(FILES):
        block = store(directory, seed)
        path = block_path(directory, block)
        raw = bytearray(path.read_bytes())
        bit = chance.randrange(len(raw) * 8)
        raw[bit // 8] ^= 1 << bit % 8
        path.write_bytes(raw)
        with pytest.raises(BlockDamaged):
            blockfile.read(directory, block)
        found += 1
    assert found == FILES


def test_every_single_bit_of_one_file_matters(tmp_path: Path) -> None:
    directory = namespace(tmp_path)
    block = store(directory, 1, 16)
    path = block_path(directory, block)
    raw = path.read_bytes()
    for bit in range(len(raw) * 8):
        flipped = bytearray(raw)
        flipped[bit // 8] ^= 1 << bit % 8
        path.write_bytes(flipped)
        with pytest.raises(BlockDamaged):
            blockfile.read(directory, block)
    path.write_bytes(raw)
    assert blockfile.read(directory, block)[0].payload_bytes == 16


def test_a_file_cut_anywhere_or_extended_is_found(tmp_path: Path) -> None:
    directory = namespace(tmp_path)
    block = store(directory, 1, 64)
    path = block_path(directory, block)
    raw = path.read_bytes()
    for size in range(len(raw)):
        path.write_bytes(raw[:size])
        with pytest.raises(BlockDamaged):
            blockfile.read(directory, block)
    path.write_bytes(raw + b"\0")
    with pytest.raises(BlockDamaged):
        blockfile.read(directory, block)


def test_a_huge_header_is_not_read(tmp_path: Path) -> None:
    directory = namespace(tmp_path)
    block = store(directory, 1)
    path = block_path(directory, block)
    with path.open("r+b") as file:
        file.write(struct.pack("<Q", 1 << 40))
        file.truncate(1 << 41)
    with pytest.raises(BlockDamaged, match="claims"):
        blockfile.open_block(directory, block)


def test_the_content_of_another_block_is_found(tmp_path: Path) -> None:
    directory = namespace(tmp_path)
    block, other = store(directory, 1), store(directory, 2)
    block_path(directory, other).replace(block_path(directory, block))
    with pytest.raises(BlockDamaged, match="another block"):
        blockfile.open_block(directory, block)


@pytest.mark.parametrize(("field", "value"), [("parent", bytes(8)), ("tokens", 255), ("rows", 7)])
def test_a_renamed_file_is_found(tmp_path: Path, field: str, value: object) -> None:
    directory = namespace(tmp_path)
    block = store(directory, 1, parent=b"\1" * 32)
    fields = {"hash": block.hash, "parent": block.parent, "tokens": 256, "part": block.part, "rows": 0, field: value}
    renamed = BlockName(**fields)  # type: ignore[arg-type]
    block_path(directory, block).rename(block_path(directory, renamed))
    with pytest.raises(BlockDamaged, match="another block"):
        blockfile.open_block(directory, renamed)


Edit = Callable[[dict[str, object]], object]


def _sealed(table: dict[str, object]) -> bytes:
    """Return length and header with a right checksum: damage that only the strict reading can find."""
    metadata = table["__metadata__"]
    assert isinstance(metadata, dict)
    metadata["head"] = "0" * 16
    text = json.dumps(table, separators=(",", ":")).encode()
    raw = struct.pack("<Q", len(text)) + text
    digest = xxhash.xxh3_64(raw).hexdigest().encode()
    return raw.replace(b'"head":"' + b"0" * 16, b'"head":"' + digest, 1)


def _tensor(**changes: object) -> Edit:
    return lambda table: table.update({"t.k": {**_entry(table, "t.k"), **changes}})


def _meta(**changes: object) -> Edit:
    return lambda table: _entry(table, "__metadata__").update(changes)


def _entry(table: dict[str, object], key: str) -> dict[str, object]:
    entry = table[key]
    assert isinstance(entry, dict)
    return entry


EDITS: dict[str, Edit] = {
    "gap": _tensor(data_offsets=[4, 132]),
    "reversed": _tensor(data_offsets=[128, 0]),
    "negative": _tensor(shape=[-1, -32]),
    "float": _tensor(shape=[1.0, 32]),
    "bool": _tensor(shape=[True, 32]),
    "dtype": _tensor(dtype="F31"),
    "dtype kind": _tensor(dtype=["F32"]),
    "huge": _tensor(shape=[1 << 60, 1 << 60]),
    "longer": _tensor(data_offsets=[0, 256], shape=[1, 64]),
    "three offsets": _tensor(data_offsets=[0, 64, 128]),
    "extra key": _tensor(more=1),
    "no entry": lambda table: table.update({"t.k": 1}),
    "one tensor less": lambda table: table.pop("t.v"),
    "version": _meta(version="2"),
    "no checksum": _meta(xxh3=""),
    "number": _meta(layers=3),
    "parent": _meta(parent="00"),
}


@pytest.mark.parametrize("edit", EDITS.values(), ids=EDITS.keys())
def test_a_header_that_lies_under_a_right_checksum_is_found(tmp_path: Path, edit: Edit) -> None:
    directory = namespace(tmp_path)
    block = store(directory, 1)
    path = block_path(directory, block)
    raw = path.read_bytes()
    start = 8 + int.from_bytes(raw[:8], "little")
    table = json.loads(raw[8:start])
    path.write_bytes(_sealed(table) + raw[start:])
    assert blockfile.read(directory, block)[1] == raw[start:]
    edit(table)
    path.write_bytes(_sealed(table) + raw[start:])
    with pytest.raises(BlockDamaged):
        blockfile.open_block(directory, block)


def test_links_are_never_followed(tmp_path: Path) -> None:
    directory = namespace(tmp_path / "cache")
    elsewhere = namespace(tmp_path / "elsewhere")
    block, other = store(elsewhere, 1), name(2)
    target = block_path(elsewhere, block)
    (directory / block.fan).mkdir()
    block_path(directory, block).symlink_to(target)
    with pytest.raises(BlockDamaged, match="link"):
        blockfile.open_block(directory, block)
    with pytest.raises(FileExistsError):
        store(directory, 1)
    (directory / other.fan).symlink_to(elsewhere, target_is_directory=True)
    with pytest.raises(OSError, match=r"Not a directory|symbolic links"):
        store(directory, 2)
    with pytest.raises(BlockDamaged, match="link"):
        blockfile.open_block(directory, other)
    linked = tmp_path / "linked"
    linked.symlink_to(elsewhere)
    with pytest.raises(BlockDamaged, match="link"):
        blockfile.open_block(linked, block)
    assert blockfile.quarantine(directory, block)
    assert target.exists()


def test_what_is_no_regular_file_is_damage_and_never_waits(tmp_path: Path) -> None:
    directory = namespace(tmp_path)
    for seed, make in ((1, os.mkfifo), (2, os.mkdir)):
        block = name(seed)
        (directory / block.fan).mkdir()
        make(block_path(directory, block))
        with pytest.raises(BlockDamaged, match="regular"):
            blockfile.open_block(directory, block)


def test_a_file_that_may_not_be_read_is_an_error_of_the_system(monkeypatch: pytest.MonkeyPatch) -> None:
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder)
        directory = namespace(root)
        block = store(directory, 1)
        block_path(directory, block).chmod(0)
        if os.geteuid():
            with pytest.raises(PermissionError):
                blockfile.open_block(directory, block)
            return
        for path in (root, root / "kv-v1", directory, directory / block.fan):
            path.chmod(0o755)
        os.seteuid(65534)
        try:
            with pytest.raises(PermissionError):
                blockfile.open_block(directory, block)
        finally:
            os.seteuid(0)


def test_a_disk_that_fails_is_an_error_of_the_system(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*args: object) -> int:
        raise OSError(5, "Input/output error")

    directory = namespace(tmp_path, FINGERPRINT)
    block = store(directory, 1)
    monkeypatch.setattr(os, "preadv", fail)
    with pytest.raises(OSError, match="Input/output"), blockfile.open_block(directory, block) as opened:
        opened.read_into(memoryview(bytearray(opened.payload_bytes)))
