"""The cold tier under a store: restarts, damage, failing disks, full queues. With real files."""

from __future__ import annotations

import errno
import logging
import shutil
import threading
from pathlib import Path

import pytest

from omlx_daemon.coldstore import blockfile
from omlx_daemon.coldstore.layout import block_path
from omlx_daemon.coldstore.names import BlockName, Part, parse
from omlx_daemon.worker.cache.cold import ColdTier
from omlx_daemon.worker.cache.hot import HotTier
from omlx_daemon.worker.cache.ledger import Missing, Quarantined, Stored, Superseded, Touched
from omlx_daemon.worker.cache.payload import Needs
from omlx_daemon.worker.cache.plan import Stop
from omlx_daemon.worker.cache.store import Store
from omlx_daemon.worker.cache.writer import Writer
from tests.cache.fakes import FakeCodec, FakeLedger, peek, prefill, restore, serve
from tests.cache.test_store import EVERY, ROWS, story
from tests.cache.test_tiers import BlockedLedger

PLENTY = 1 << 30


class Worker:
    """A store over one cache directory, as one process would have it."""

    def __init__(
        self,
        space: Path,
        needs: Needs = ROWS,
        hot_bytes: int = PLENTY,
        ledger: FakeLedger | None = None,
        **cold: object,
    ) -> None:
        self.needs, self.wake, self.ledger = needs, threading.Event(), ledger or FakeLedger()
        self.cold = ColdTier(space, self.ledger, readers=2, **cold)  # type: ignore[arg-type]
        self.store = Store(FakeCodec(needs), [HotTier(hot_bytes), self.cold], "model", wake=self.wake.set)

    def serve(self, prompt: list[int], answer: list[int] | None = None) -> dict[str, int]:
        restored = serve(self.store, prompt, self.needs, answer=answer or (), wake=self.wake)
        return restored.by_tier

    def stop(self, deadline_s: float = 30) -> int:
        return self.store.close(deadline_s).parts


def restarted(worker: Worker, space: Path, **options: object) -> Worker:
    assert worker.stop() == 0
    return Worker(space, worker.needs, **options)  # type: ignore[arg-type]


@pytest.mark.parametrize("needs", EVERY, ids=str)
@pytest.mark.parametrize("length", [2, 256, 257, 700, 1025])
def test_a_restart_loses_nothing(needs: Needs, length: int, tmp_path: Path) -> None:
    prompt, answer, question = story(1, length), story(2, 50), story(3, 20)
    worker = Worker(tmp_path, needs)
    worker.serve(prompt, answer)
    worker = restarted(worker, tmp_path)
    assert worker.serve(prompt + answer + question) == {"cold": length + 50}
    assert worker.serve(prompt + answer + question) == {"hot": length + 69}
    worker = restarted(worker, tmp_path, hot_bytes=0)
    assert worker.serve(prompt + answer + question) == {"cold": length + 69}
    assert worker.stop() == 0


@pytest.mark.parametrize("needs", EVERY, ids=str)
def test_a_memory_too_small_changes_nothing_but_the_tier(needs: Needs, tmp_path: Path) -> None:
    worker = Worker(tmp_path, needs, hot_bytes=1000)
    talk = story(4, 900)
    for turn in range(4):
        assert sum(worker.serve(talk, story(40 + turn, 60)).values()) >= len(talk) - 31 or turn == 0
        talk = talk + story(40 + turn, 60) + story(60 + turn, 30)
    assert worker.stop() == 0


@pytest.mark.parametrize("common", [1, 300, 511, 513, 650])
def test_a_prompt_that_leaves_a_cold_block_in_its_middle_reuses_it_to_the_token(common: int, tmp_path: Path) -> None:
    worker = Worker(tmp_path)
    worker.serve(story(5, 700))
    worker = restarted(worker, tmp_path)
    assert worker.serve(story(5, common) + story(6, 400)) == {"cold": common}
    worker.stop()


def files(space: Path) -> list[Path]:
    return sorted(path for path in space.glob("??/*.safetensors"))


def flip(path: Path) -> None:
    data = bytearray(path.read_bytes())
    data[-3] ^= 4
    path.write_bytes(data)


@pytest.mark.parametrize("harm", ["flip", "truncate", "empty", "remove", "link", "directory"])
def test_a_bad_block_is_a_miss_of_that_block_alone(harm: str, tmp_path: Path) -> None:
    prompt = story(7, 1500)
    worker = Worker(tmp_path)
    worker.serve(prompt)
    worker = restarted(worker, tmp_path)
    victim = block_path(tmp_path, peek(worker.store, prompt).tokens[3].held.name)
    hurt(victim, harm)
    assert worker.serve(prompt) == {"cold": 768}
    assert worker.store.stats().stops == {Stop.LOST.value: 1}
    kind = Missing if harm == "remove" else Quarantined
    assert [note.name.filename for note in worker.ledger.of(kind)] == [victim.name]  # type: ignore[union-attr]
    worker = restarted(worker, tmp_path)
    assert worker.serve(prompt) == {"cold": 1499}
    worker.stop()


def hurt(path: Path, harm: str) -> None:
    if harm == "flip":
        flip(path)
    elif harm == "truncate":
        path.write_bytes(path.read_bytes()[:-100])
    elif harm == "empty":
        path.write_bytes(b"")
    else:
        path.unlink()
    if harm == "link":
        path.symlink_to("/etc/hostname")
    elif harm == "directory":
        path.mkdir()


def test_a_file_of_another_layout_is_put_aside(tmp_path: Path) -> None:
    prompt = story(8, 700)
    worker = Worker(tmp_path)
    worker.serve(prompt)
    worker = restarted(worker, tmp_path)
    name = peek(worker.store, prompt).tokens[1].held.name
    block_path(tmp_path, name).unlink()
    blockfile.write(tmp_path, name, [blockfile.Tensor("other", "U8", (1024,), bytes(1024))], {})
    assert worker.serve(prompt) == {"cold": 256}
    assert worker.store.flush(30).parts == 0
    assert worker.serve(prompt) == {"hot": 699}
    worker.stop()


def test_a_directory_that_vanishes_costs_only_what_was_in_it(tmp_path: Path) -> None:
    space = tmp_path / "space"
    worker = Worker(space)
    worker.serve(story(9, 600))
    worker.store.flush(30)
    shutil.rmtree(space)
    assert worker.serve(story(9, 600)) == {"hot": 599}
    worker.serve(story(10, 600))
    worker = restarted(worker, space)
    assert worker.serve(story(10, 600)) == {"cold": 599}
    worker.stop()


def test_a_failing_disk_is_one_warning_and_serves_on(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    failing = threading.Event()
    failing.set()
    write = blockfile.write

    def write_or_fail(*arguments: object, **options: object) -> int:
        if failing.is_set():
            raise OSError(errno.ENOSPC, "No space left on device")
        return write(*arguments, **options)  # type: ignore[arg-type]

    monkeypatch.setattr(blockfile, "write", write_or_fail)
    worker = Worker(tmp_path)
    with caplog.at_level(logging.WARNING):
        worker.serve(story(11, 1500))
        assert worker.store.flush(10).parts == 0
        assert worker.serve(story(11, 1500)) == {"hot": 1499}
    assert [record.levelname for record in caplog.records] == ["WARNING"]
    cold = worker.store.stats().tiers[1]
    assert (cold.dropped, cold.write_errors, cold.stored) == (6, 12, 0)
    failing.clear()
    worker.store.tick()
    worker.serve(story(11, 1500))
    worker = restarted(worker, tmp_path)
    assert worker.serve(story(11, 1500)) == {"cold": 1499}
    worker.stop()


def test_what_the_ledger_refuses_is_not_written(tmp_path: Path) -> None:
    worker = Worker(tmp_path, ledger=FakeLedger(grant_bytes=6000), batch_bytes=1)
    worker.serve(story(12, 1500))
    assert worker.stop() == 0
    assert 1 <= len(files(tmp_path)) <= 2
    assert sum(path.stat().st_size for path in files(tmp_path)) <= 6000


def test_a_budget_comes_in_batches_and_the_rest_is_given_back(tmp_path: Path) -> None:
    ledger = FakeLedger(grant_bytes=1 << 20)
    worker = Worker(tmp_path, ledger=ledger, batch_bytes=1 << 20)
    worker.serve(story(13, 1500))
    worker.stop()
    written = sum(path.stat().st_size for path in files(tmp_path))
    assert written > 0
    assert ledger.given_back_bytes == (1 << 20) - written


def test_a_full_queue_slows_stores_and_never_the_caller(tmp_path: Path) -> None:
    ledger = BlockedLedger()
    worker = Worker(tmp_path, ledger=ledger, queue_bytes=3000)
    prompt = story(14, 3000)
    worker.serve(prompt)
    stats = worker.store.stats()
    assert 0 < stats.tiers[1].queued_bytes <= 3000
    assert stats.deferred_parts == 12 - stats.tiers[1].queued_parts
    ledger.gate.set()
    while worker.store.stats().deferred_parts:
        worker.store.flush(30)
        worker.store.tick()
    worker = restarted(worker, tmp_path)
    assert worker.serve(prompt) == {"cold": 2999}
    worker.stop()


def test_what_waits_to_be_written_can_be_read(tmp_path: Path) -> None:
    ledger = BlockedLedger()
    worker = Worker(tmp_path, ledger=ledger, hot_bytes=0)
    prompt = story(15, 700)
    worker.serve(prompt)
    assert files(tmp_path) == []
    assert worker.serve(prompt) == {"cold": 699}
    ledger.gate.set()
    worker.stop()


def test_a_tail_that_is_superseded_while_it_waits_is_never_written(tmp_path: Path) -> None:
    ledger = BlockedLedger()
    worker = Worker(tmp_path, ledger=ledger)
    worker.serve(story(16, 1000))
    talk = story(16, 1000)
    for turn in range(5):
        worker.serve(talk, story(160 + turn, 4))
        talk = talk + story(160 + turn, 4)
    ledger.gate.set()
    worker.stop()
    assert len(files(tmp_path)) == 4


def test_a_superseded_file_is_reported_not_deleted(tmp_path: Path) -> None:
    worker = Worker(tmp_path)
    worker.serve(story(17, 300))
    worker.store.flush(30)
    worker.serve(story(17, 300), story(18, 10))
    worker.stop()
    notes = [note for note in worker.ledger.of(Superseded) if isinstance(note, Superseded)]
    assert 44 in [name.tokens for note in notes for name in note.names]
    assert {44, 54} <= {found.tokens for path in files(tmp_path) if (found := parse(path.name))}


def test_a_tail_that_is_superseded_while_it_is_written_is_reported_afterwards(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    writing, go_on, write = threading.Event(), threading.Event(), blockfile.write

    def slowly(space: Path, name: BlockName, *arguments: object, **options: object) -> int:
        if name.tokens == 44:
            writing.set()
            assert go_on.wait(30)
        return write(space, name, *arguments, **options)  # type: ignore[arg-type]

    monkeypatch.setattr(blockfile, "write", slowly)
    worker = Worker(tmp_path)
    worker.serve(story(17, 300))
    assert writing.wait(30)
    worker.serve(story(17, 300), story(18, 10))
    assert worker.ledger.of(Superseded) == []
    go_on.set()
    worker.stop()
    assert [
        name.tokens for note in worker.ledger.of(Superseded) if isinstance(note, Superseded) for name in note.names
    ] == [44]


def test_what_is_being_written_while_the_cache_is_cleared_goes_once_it_is_there(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    writing, go_on, write = threading.Event(), threading.Event(), blockfile.write

    def slowly(*arguments: object, **options: object) -> int:
        writing.set()
        assert go_on.wait(30)
        return write(*arguments, **options)  # type: ignore[arg-type]

    monkeypatch.setattr(blockfile, "write", slowly)
    worker = Worker(tmp_path)
    worker.serve(story(24, 700))
    assert writing.wait(30)
    worker.cold.withdraw()
    go_on.set()
    worker.stop()
    (stored,) = worker.ledger.of(Stored)
    assert isinstance(stored, Stored)
    assert worker.ledger.of(Superseded) == [Superseded((stored.name,))]
    assert worker.ledger.notes.index(stored) < worker.ledger.notes.index(Superseded((stored.name,)))


def test_a_flush_says_what_it_could_not_do(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    ledger, clear = BlockedLedger(), Writer.clear

    def give_up(writer: Writer) -> None:
        clear(writer)
        ledger.gate.set()

    # What waits is given up first; only then does the writer come back from the ledger.
    monkeypatch.setattr(Writer, "clear", give_up)
    worker = Worker(tmp_path, ledger=ledger)
    worker.serve(story(19, 700))
    dropped = worker.store.flush(0.05)
    assert (dropped.parts, dropped.size_bytes) == (3, 700 * 4)
    assert worker.stop(0.01) == 3


def test_second_hit_writes_what_is_met_again(tmp_path: Path) -> None:
    worker = Worker(tmp_path, second_hit=True)
    worker.serve(story(20, 700))
    worker.store.flush(30)
    assert files(tmp_path) == []
    worker.serve(story(20, 700))
    worker.store.tick()
    worker.stop()
    assert len(files(tmp_path)) == 3


def test_a_use_is_noted_on_disk_and_with_the_ledger(tmp_path: Path) -> None:
    worker = Worker(tmp_path)
    worker.serve(story(21, 700))
    worker.store.flush(30)
    (stored, *_) = worker.ledger.of(Stored)
    assert isinstance(stored, Stored)
    assert stored.size_bytes == block_path(tmp_path, stored.name).stat().st_size
    worker.serve(story(21, 700))
    worker.serve(story(21, 700))
    touched = [name for note in worker.ledger.of(Touched) if isinstance(note, Touched) for name in note.names]
    assert len(touched) == len(set(touched)) == 3
    worker.stop()


def test_files_that_the_ledger_deleted_are_forgotten(tmp_path: Path) -> None:
    worker = Worker(tmp_path, hot_bytes=0)
    prompt = story(22, 700)
    worker.serve(prompt)
    worker.store.flush(30)
    gone: BlockName = peek(worker.store, prompt).tokens[1].held.name
    block_path(tmp_path, gone).unlink()
    worker.cold.forget([gone])
    assert peek(worker.store, prompt).position == 256
    assert worker.ledger.of(Missing) == []
    worker.stop()


def test_a_release_while_blocks_are_read_leaves_nothing_leased(tmp_path: Path) -> None:
    worker = Worker(tmp_path)
    prompt = story(23, 3000)
    worker.serve(prompt)
    worker = restarted(worker, tmp_path)
    lease = worker.store.match(prompt)
    lease.poll()
    lease.release()
    lease = worker.store.match(prompt)
    restored = restore(lease, worker.wake)
    assert restored.tokens == 2999
    prefill(lease, prompt, restored.tokens, 256)
    lease.release()
    worker.store.evict_hot(PLENTY)
    assert worker.store.stats().tiers[0].parts == 0
    assert worker.cold.lookup(b"", Part.TOKENS) is None
    worker.stop()
