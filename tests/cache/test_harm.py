"""Everything that can be wrong with a block file, met by a prompt that would use it: a miss and a count."""

from __future__ import annotations

import errno
import logging
import os
import random
import struct
import threading
from collections.abc import Callable
from pathlib import Path

import pytest

from omlx_daemon.coldstore import blockfile
from omlx_daemon.coldstore.layout import QUARANTINE, block_path
from omlx_daemon.coldstore.names import BlockName, Part
from omlx_daemon.worker.cache.ledger import Missing, Quarantined, WriteFailed
from omlx_daemon.worker.cache.plan import Stop
from omlx_daemon.worker.cache.tier import Failure, Outcome
from tests.cache.fakes import FakeCodec, peek
from tests.cache.test_cold import Worker, files, restarted
from tests.cache.test_store import story

FILES = 1000
PROMPT = story(1, 1500)


def stored(space: Path) -> tuple[Worker, Path]:
    """Return a worker that has started over a stored prompt, and the file of its fourth block."""
    worker = Worker(space)
    worker.serve(PROMPT)
    worker = restarted(worker, space)
    return worker, block_path(space, peek(worker.store, PROMPT).tokens[3].held.name)


def huge_header(path: Path) -> None:
    with path.open("r+b") as file:
        file.write(struct.pack("<Q", 1 << 40))
        file.truncate(1 << 41)


def foreign(path: Path) -> None:
    """Put a file of the same kind by another hand in its place."""
    header = b'{"__metadata__":{"format":"pt"},"rows":{"dtype":"U8","shape":[4],"data_offsets":[0,4]}}'
    path.write_bytes(struct.pack("<Q", len(header)) + header + b"abcd")


def other_content(path: Path) -> None:
    other = next(file for file in files(path.parents[1]) if file != path and "-256." in file.name)
    path.write_bytes(other.read_bytes())


def without_bytes(path: Path) -> None:
    raw = path.read_bytes()
    path.write_bytes(raw[: len(raw) // 2])


def turned_to(kind: Callable[[Path], object]) -> Callable[[Path], None]:
    def turn(path: Path) -> None:
        path.unlink()
        kind(path)

    return turn


DAMAGES: dict[str, Callable[[Path], object]] = {
    "truncated": without_bytes,
    "truncated within the length": lambda path: os.truncate(path, 5),
    "empty": lambda path: os.truncate(path, 0),
    "longer": lambda path: path.write_bytes(path.read_bytes() + b"\0"),
    "huge header": huge_header,
    "zeros": lambda path: path.write_bytes(bytes(path.stat().st_size)),
    "wrong hash": other_content,
    "foreign": foreign,
    "text": lambda path: path.write_text("no block at all"),
    "link to nothing": turned_to(lambda path: path.symlink_to("nothing")),
    "link to a file": turned_to(lambda path: path.symlink_to("/etc/hostname")),
    "link to a device": turned_to(lambda path: path.symlink_to("/dev/zero")),
    "directory": turned_to(Path.mkdir),
    "pipe": turned_to(os.mkfifo),
}


@pytest.mark.parametrize("harm", DAMAGES.values(), ids=DAMAGES.keys())
def test_a_damaged_file_is_a_miss_and_a_count(tmp_path: Path, harm: Callable[[Path], object]) -> None:
    worker, victim = stored(tmp_path)
    harm(victim)
    assert worker.serve(PROMPT) == {"cold": 768}
    assert worker.store.stats().stops == {Stop.LOST.value: 1}
    cold = worker.store.stats().tiers[1]
    assert (cold.quarantined, cold.missing, cold.read_errors) == (1, 0, 0)
    assert [note.name.filename for note in worker.ledger.of(Quarantined)] == [victim.name]  # type: ignore[union-attr]
    assert os.path.lexists(tmp_path / QUARANTINE / victim.name)
    assert worker.store.flush(30).parts == 0
    assert blockfile.read(tmp_path, peek(worker.store, PROMPT).tokens[3].held.name)[0].payload_bytes == 1024
    worker.stop()


def refuse(victim: Path, code: int, call: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Let the system refuse one call for one file, as a failing disk or a stranger's file does."""
    real = getattr(os, call)

    def refusing(first: object, *more: object, **options: object) -> object:
        name = Path(f"/dev/fd/{first}").readlink().name if isinstance(first, int) else Path(str(first)).name
        if name == victim.name:
            raise OSError(code, os.strerror(code))
        return real(first, *more, **options)

    monkeypatch.setattr(os, call, refusing)


@pytest.mark.parametrize(
    ("code", "call"),
    [
        (errno.EIO, "preadv"),
        (errno.EIO, "pread"),
        (errno.EIO, "open"),
        (errno.EACCES, "open"),
        (errno.EPERM, "open"),
        (errno.EMFILE, "open"),
        (errno.ESTALE, "pread"),
    ],
)
def test_a_file_that_the_system_refuses_to_read_is_a_miss_and_a_count(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, code: int, call: str
) -> None:
    worker, victim = stored(tmp_path)
    with monkeypatch.context() as patch:
        refuse(victim, code, call, patch)
        assert worker.serve(PROMPT) == {"cold": 768}
    cold = worker.store.stats().tiers[1]
    assert (cold.quarantined, cold.missing, cold.read_errors) == (0, 0, 1)
    (note,) = worker.ledger.of(Missing)
    assert isinstance(note, Missing)
    assert (note.name.filename, os.strerror(code) in note.reason) == (victim.name, True)
    assert victim.exists()
    assert worker.store.flush(30).parts == 0
    worker = restarted(worker, tmp_path)
    assert worker.serve(PROMPT) == {"cold": 1499}
    worker.stop()


def test_a_file_that_is_gone_is_a_miss_and_a_count(tmp_path: Path) -> None:
    worker, victim = stored(tmp_path)
    victim.unlink()
    assert worker.serve(PROMPT) == {"cold": 768}
    cold = worker.store.stats().tiers[1]
    assert (cold.quarantined, cold.missing, cold.read_errors) == (0, 1, 0)
    worker.stop()


@pytest.mark.parametrize("code", [errno.EIO, errno.ENOSPC, errno.EROFS, errno.EDQUOT])
def test_a_disk_that_refuses_a_write_in_its_middle_leaves_nothing_and_serves_on(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture, code: int
) -> None:
    def half(fd: int, pieces: list[memoryview]) -> int:
        os.write(fd, bytes(pieces[0][: len(pieces[0]) // 2]))
        raise OSError(code, os.strerror(code))

    worker = Worker(tmp_path)
    with monkeypatch.context() as patch, caplog.at_level(logging.WARNING):
        patch.setattr(os, "writev", half)
        worker.serve(PROMPT)
        assert worker.store.flush(30).parts == 0
        assert worker.serve(PROMPT) == {"hot": 1499}
        assert worker.store.flush(30).parts == 0
        assert [path for path in tmp_path.rglob("*") if path.is_file()] == []
        assert len(caplog.records) == 1
    assert {note.errno for note in worker.ledger.of(WriteFailed) if isinstance(note, WriteFailed)} == {code}
    worker.store.tick()
    worker.serve(PROMPT)
    worker = restarted(worker, tmp_path)
    assert worker.serve(PROMPT) == {"cold": 1499}
    worker.stop()


def test_one_bit_in_each_of_a_thousand_files_is_a_thousand_misses_and_a_count_each(tmp_path: Path) -> None:
    worker, chance = Worker(tmp_path), random.Random(3)
    names: list[BlockName] = []
    for number in range(FILES):
        name = BlockName(random.Random(number).randbytes(32), bytes(32), 256, Part.TOKENS)
        blockfile.write(tmp_path, name, [blockfile.Tensor("rows", "U8", (256,), bytes([number % 256]) * 256)], {})
        names.append(name)
    worker = restarted(worker, tmp_path)
    for name in names:
        with block_path(tmp_path, name).open("r+b") as file:
            raw = bytearray(file.read())
            bit = chance.randrange(len(raw) * 8)
            raw[bit // 8] ^= 1 << bit % 8
            file.seek(0)
            file.write(raw)
    found: list[Outcome] = []
    done = threading.Semaphore(0)

    def take(outcome: Outcome) -> None:
        found.append(outcome)
        done.release()

    for name in names:
        assert worker.cold.lookup(name.hash, name.part) is not None
        buffer = FakeCodec().buffer(256, bounded=False)
        assert buffer is not None
        worker.cold.load(name, buffer, take)
    for _ in names:
        assert done.acquire(timeout=60)
    assert found == [Failure.DAMAGED] * FILES
    assert not any(worker.cold.lookup(name.hash, name.part) for name in names)
    assert worker.cold.stats().quarantined == len(worker.ledger.of(Quarantined)) == FILES
    assert len(list((tmp_path / QUARANTINE).iterdir())) == FILES
    worker.stop()
