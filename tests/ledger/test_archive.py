"""Archives of blocks: whole, cut, forged, of another format, or none at all."""

from __future__ import annotations

import errno
import io
import json
import os
import tarfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from omlx_cli.contract.cache import PruneReport
from omlx_cli.contract.errors import Code, OmlxError
from omlx_daemon.cache import archive, intake
from omlx_daemon.cache.intake import DAMAGED, HERE_ALREADY, NO_ROOM
from omlx_daemon.coldstore.layout import Layout, block_path
from omlx_daemon.coldstore.names import BlockName
from omlx_daemon.ledger.ledger import Ledger
from omlx_daemon.ledger.policy import Policy
from tests.ledger.bench import MIB, MODELS, Bench, block, opened

FINGERPRINT = MODELS["a"]


@pytest.fixture
def whole(tmp_path: Path) -> Path:
    """Return an archive of five blocks."""
    with opened(tmp_path / "elsewhere") as bench:
        bench.chain("a", "x", 5, 20_000)
        bench.chain("b", "y", 2)
        assert archive.export(bench.root, "a", tmp_path / "a.kv").files == 5
    return tmp_path / "a.kv"


@pytest.fixture
def ledger(tmp_path: Path) -> Iterator[Ledger]:
    """Return the ledger of an empty cache."""
    ledger = Ledger.open(tmp_path / "cache", Policy())
    yield ledger
    assert not any(row.in_use for row in ledger.rows().namespaces)
    assert ledger.stats().reserved_bytes == 0
    assert not list((tmp_path / "cache").rglob(".tmp-*"))
    ledger.close()


def take(ledger: Ledger, source: Path) -> tuple[PruneReport, list[str]]:
    arrived: list[str] = []
    report = intake.import_(
        ledger, Path(ledger.stats().path), source, lambda namespace, filename, size_bytes: arrived.append(filename)
    )
    assert report.files == ledger.stats().blocks - report.left_out.get(HERE_ALREADY, 0)
    assert len(arrived) == report.files + report.left_out.get(NO_ROOM, 0)
    return report, arrived


def refusal(ledger: Ledger, source: Path) -> str:
    with pytest.raises(OmlxError) as caught:
        take(ledger, source)
    assert caught.value.code is Code.INVALID_REQUEST
    assert "\n" not in str(caught.value)
    return str(caught.value)


def made(path: Path, *members: tuple[str, bytes], headers: dict[str, str] | None = None) -> Path:
    with tarfile.open(path, "w", format=tarfile.PAX_FORMAT, pax_headers=headers) as tar:
        for name, content in members:
            member = tarfile.TarInfo(name)
            member.size = len(content)
            tar.addfile(member, io.BytesIO(content))
    return path


DESCRIPTION = (f"{FINGERPRINT}/namespace.json", json.dumps({"model": "a"}).encode())


def test_an_archive_brings_its_blocks_once(ledger: Ledger, whole: Path) -> None:
    report, _ = take(ledger, whole)
    assert (report.files, report.error, report.left_out) == (5, None, {})
    assert ledger.verify().damaged == 0
    report, _ = take(ledger, whole)
    assert (report.files, report.error, report.left_out) == (0, None, {HERE_ALREADY: 5})


def test_a_pins_archive_brings_its_blocks_alone(ledger: Ledger, tmp_path: Path) -> None:
    with opened(tmp_path / "elsewhere") as bench:
        chain = bench.chain("a", "x", 5, 20_000)
        bench.chain("a", "y", 2)
        bench.ledger.pin("rules", FINGERPRINT, [name.hash for name in chain[:3]])
        pin = bench.ledger.pinned("rules")
        assert pin is not None
        assert bench.ledger.pinned("nothing") is None
        assert archive.export_pin(bench.root, "rules", pin, tmp_path / "rules.kv").files == 3
        for name in chain[:3]:
            block_path(Layout(bench.root).namespace(FINGERPRINT), name).unlink()
        with pytest.raises(OmlxError, match="nothing of rules is stored"):
            archive.export_pin(bench.root, "rules", pin, tmp_path / "nothing.kv")
    assert not (tmp_path / "nothing.kv").exists()
    _, arrived = take(ledger, tmp_path / "rules.kv")
    assert sorted(arrived) == sorted(name.filename for name in chain[:3])


def test_an_archive_that_is_cut_brings_what_is_whole_and_says_so(ledger: Ledger, whole: Path) -> None:
    whole.write_bytes(whole.read_bytes()[: whole.stat().st_size // 2])
    report, _ = take(ledger, whole)
    assert 0 < report.files < 5
    assert report.error is not None
    assert "or it is cut" in report.error.message
    assert ledger.verify().damaged == 0


@pytest.mark.parametrize("length", [0, 1, 100, 511, 700, 1024, 2000])
def test_an_archive_that_is_cut_before_its_first_block_is_refused(ledger: Ledger, whole: Path, length: int) -> None:
    whole.write_bytes(whole.read_bytes()[:length])
    assert "is no archive of blocks" in refusal(ledger, whole)


@pytest.mark.parametrize("start", [3000, 12_000, 60_000])
def test_damage_inside_costs_the_blocks_it_hits(ledger: Ledger, whole: Path, start: int) -> None:
    raw = bytearray(whole.read_bytes())
    first = raw.index(b"__metadata__") + start
    raw[first] ^= 1
    whole.write_bytes(raw)
    report, _ = take(ledger, whole)
    assert (report.files, report.left_out) == (4, {DAMAGED: 1})
    assert report.error is not None
    assert "1 files that are no good blocks" in report.error.message


def test_blocks_of_another_format_are_refused(ledger: Ledger, whole: Path, tmp_path: Path) -> None:
    with tarfile.open(whole) as tar:
        members = [(member.name, file.read()) for member in tar if (file := tar.extractfile(member)) is not None]
    future = made(tmp_path / "future.kv", *members, headers={archive.FORMAT_KEY: "kv-v2"})
    assert "of the format 'kv-v2'; this omlx reads kv-v1" in refusal(ledger, future)
    older = [(name, content.replace(b'"version":"1"', b'"version":"0"', 1)) for name, content in members]
    assert "5 files that are no good blocks" in refusal(ledger, made(tmp_path / "older.kv", *older))
    assert take(ledger, made(tmp_path / "bare.kv", *members))[0].files == 5


NO_ARCHIVES: dict[str, tuple[tuple[str, bytes], ...]] = {
    "nothing": (),
    "other files": (("notes.txt", b"x"), ("a/b/c", b"y")),
    "paths that leave": (("../../etc/x", b"x"), ("/abs/namespace.json", b"{}"), ("../namespace.json", b"{}")),
    "no model": ((DESCRIPTION[0], b"{}"),),
    "no json": ((DESCRIPTION[0], b"{"),),
    "a list": ((DESCRIPTION[0], b"[1]"),),
    "deep json": ((DESCRIPTION[0], b"[" * 200_000),),
    "details that are none": ((DESCRIPTION[0], b'{"model": "a", "details": [1]}'),),
    "a block first": ((f"{FINGERPRINT}/{block('x').filename}", b"x"),),
    "blocks of zeros": (DESCRIPTION, (f"{FINGERPRINT}/{block('x').filename}", bytes(5000))),
    "an empty block": (DESCRIPTION, (f"{FINGERPRINT}/{block('x').filename}", b"")),
}


@pytest.mark.parametrize("members", NO_ARCHIVES.values(), ids=NO_ARCHIVES.keys())
def test_what_is_no_archive_is_refused(ledger: Ledger, tmp_path: Path, members: tuple[tuple[str, bytes], ...]) -> None:
    refusal(ledger, made(tmp_path / "odd.kv", *members))
    assert ledger.stats().blocks == 0
    assert sorted(path.name for path in tmp_path.iterdir()) == ["cache", "odd.kv"]


@pytest.mark.parametrize("content", [b"", b"text", bytes(100_000), b"\x1f\x8b" + bytes(600)])
def test_what_is_no_tar_is_refused(ledger: Ledger, tmp_path: Path, content: bytes) -> None:
    (tmp_path / "odd.kv").write_bytes(content)
    refusal(ledger, tmp_path / "odd.kv")


def test_what_is_no_file_is_refused_and_never_waits(ledger: Ledger, tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "fifo")
    assert "is no file" in refusal(ledger, tmp_path / "fifo")
    assert "is no file" in refusal(ledger, tmp_path)
    assert "No such file" in refusal(ledger, tmp_path / "none")
    assert "cannot be read" in refusal(ledger, tmp_path / ("x" * 300))


def test_links_and_devices_in_an_archive_are_passed_over(ledger: Ledger, tmp_path: Path) -> None:
    path = made(tmp_path / "a.kv", DESCRIPTION)
    with tarfile.open(path, "a") as tar:
        for kind in (tarfile.SYMTYPE, tarfile.LNKTYPE, tarfile.FIFOTYPE, tarfile.CHRTYPE, tarfile.DIRTYPE):
            member = tarfile.TarInfo(f"{FINGERPRINT}/{block('x').filename}")
            member.type, member.linkname = kind, "/etc/passwd"
            tar.addfile(member)
    assert take(ledger, path)[0].files == 0


def test_an_archive_larger_than_the_room_brings_what_fits(tmp_path: Path, whole: Path) -> None:
    with opened(tmp_path / "cache", Policy(quota_bytes=MIB)) as bench:
        for model in MODELS:
            bench.ledger.release(model)
        bench.disk.size_bytes, bench.disk.other_bytes = 4 * MIB, 4 * MIB - 120_000
        report, _ = take(bench.ledger, whole)
        assert 0 < report.files < 5
        assert report.left_out == {NO_ROOM: 5 - report.files}
        assert report.error is not None
        assert report.error.code is Code.CACHE_FULL


def test_a_cache_that_fails_meanwhile_is_named(tmp_path: Path, whole: Path) -> None:
    with opened(tmp_path / "cache") as bench:
        bench.ledger.failed("a", OSError(errno.EIO, "Input/output error"))
        with pytest.raises(OmlxError, match="Input/output error"):
            take(bench.ledger, whole)


def test_an_export_that_cannot_be_written_leaves_nothing(
    bench: Bench, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    bench.chain("a", "x", 3)
    for target in (tmp_path / "none" / "a.kv", tmp_path / ("x" * 300), tmp_path / "nul\0"):
        with pytest.raises(OmlxError, match="cannot be written"):
            archive.export(bench.root, "a", target)
    for target in (tmp_path, bench.root / "CACHEDIR.TAG"):
        with pytest.raises(OmlxError, match="exists already"):
            archive.export(bench.root, "a", target)
    assert (bench.root / "CACHEDIR.TAG").read_text().startswith("Signature")

    def full(*args: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(tarfile.TarFile, "addfile", full)
    with pytest.raises(OmlxError, match="No space left"):
        archive.export(bench.root, "a", tmp_path / "a.kv")
    assert not (tmp_path / "a.kv").exists()
    with pytest.raises(OmlxError, match="nothing of sky is stored"):
        archive.export(bench.root, "sky", tmp_path / "a.kv")


def test_blocks_that_go_while_they_are_exported_are_passed_over(
    bench: Bench, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    chain = bench.chain("a", "x", 3)

    def gone_first(space: Path, name: BlockName) -> Path:
        path = block_path(space, name)
        if name == chain[1]:
            path.unlink()
        return path

    monkeypatch.setattr(archive, "block_path", gone_first)
    assert archive.export(bench.root, "a", tmp_path / "a.kv").files == 2
