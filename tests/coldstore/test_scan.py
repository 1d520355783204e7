from __future__ import annotations

import os
import shutil
from pathlib import Path

from omlx_daemon.coldstore import blockfile, names, scan
from omlx_daemon.coldstore.layout import Layout, block_path
from tests.coldstore.blocks import FINGERPRINT, name, namespace, store


def _du_bytes(root: Path) -> int:
    paths = [root, *root.rglob("*")]
    return sum(path.lstat().st_blocks * 512 for path in paths)


def test_a_scan_finds_every_block_by_name_and_size(tmp_path: Path) -> None:
    directory = namespace(tmp_path)
    blocks = {store(directory, seed, 8 * seed) for seed in range(1, 40)}
    found = scan.scan_namespace(directory)
    assert {names.parse(file.filename) for file in found.blocks} == blocks
    for file in found.blocks:
        block = names.parse(file.filename)
        assert block is not None
        status = block_path(directory, block).stat()
        assert file[1:] == (status.st_size, status.st_blocks * 512, status.st_mtime_ns)


def _clutter(root: Path) -> Path:
    """Fill a cache directory with one of everything that can lie there."""
    directory = namespace(root)
    good, bad = store(directory, 1), store(directory, 2)
    blockfile.quarantine(directory, bad)
    (directory / ".tmp-1-ff").write_bytes(b"x" * 5000)
    (directory / "notes.txt").write_text("mine")
    (directory / good.fan / "core").write_text("mine")
    (directory / good.fan / name(3).filename).mkdir()
    (directory / "zz").mkdir()
    (directory / "zz" / good.filename).write_text("in the wrong place")
    (directory / "ff").symlink_to(directory / good.fan)
    (directory / good.fan / good.filename.replace(".t.", ".s.")).symlink_to(block_path(directory, good))
    os.mkfifo(directory / "pipe")
    old = root / "kv-v0" / FINGERPRINT / "ab"
    old.mkdir(parents=True)
    (old / "old.safetensors").write_bytes(b"y" * 9000)
    (root / "kv-v1" / "stray").write_text("mine")
    (root / "photos").mkdir()
    (root / "photos" / "one").write_bytes(b"z" * 10_000)
    (root / "pins.json").write_text("{}")
    return directory


def test_everything_is_counted_and_only_blocks_are_blocks(tmp_path: Path) -> None:
    directory = _clutter(tmp_path)
    result = scan.scan(Layout(tmp_path))
    space = result.namespaces[FINGERPRINT]
    assert [file.filename for file in space.blocks] == [name(1).filename]
    assert [file.filename for file in space.quarantined] == [name(2).filename]
    assert [file.filename for file in space.temporaries] == [".tmp-1-ff"]
    assert space.symlinks == 2
    assert space.foreign.files == 8
    assert [file.filename for file in result.other_versions[f"kv-v0/{FINGERPRINT}"]] == ["ab/old.safetensors"]
    assert result.foreign.files == 3
    assert (result.unreadable, space.unreadable) == (0, 0)
    assert space.directories.keys() == {"", ".quarantine", name(1).fan, name(2).fan}
    assert directory.exists()


def test_the_scan_counts_as_du_does(tmp_path: Path) -> None:
    _clutter(tmp_path)
    result = scan.scan(Layout(tmp_path))
    space = result.namespaces[FINGERPRINT]
    files = [*space.blocks, *space.temporaries, *space.quarantined, *result.other_versions[f"kv-v0/{FINGERPRINT}"]]
    counted = sum(file.disk_bytes for file in files) + sum(space.directories.values()) + space.description_bytes
    assert counted + space.foreign.disk_bytes + result.foreign.disk_bytes + result.own_bytes == _du_bytes(tmp_path)


def test_directories_that_go_or_refuse_are_counted_not_raised(tmp_path: Path) -> None:
    directory = namespace(tmp_path)
    block = store(directory, 1)
    shutil.rmtree(directory / block.fan)
    (directory / block.fan).write_text("a file in a directory's place")
    space = scan.scan(Layout(tmp_path)).namespaces[FINGERPRINT]
    assert (space.blocks, space.foreign.files) == ([], 1)
