"""The worker as a process, over a real socketpair."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import msgspec
import pytest

from omlx_cli.contract.errors import Code
from omlx_daemon.core.events import Event, Failed, Finished, Queued, Terminal, Text
from omlx_daemon.core.requests import GenerationRequest
from omlx_daemon.wire.frames import pack, receive
from omlx_daemon.wire.messages import (
    Cancel,
    Events,
    LoadFailed,
    LoadProgress,
    Note,
    Ready,
    Report,
    Start,
    Stop,
    Submit,
    WorkerSettings,
)
from tests.worker.bench import ask
from tests.worker.models import write_model

WAIT_S = 60
CONTEXT_TOKENS = 65_536
ENDLESS: dict[str, Any] = {"temperature": 0.0, "ignore_eos": True, "max_tokens": 60_000}
"""Longer than a slow test takes to end it, on a worker that is fast."""


class Peer:
    """The daemon's end of a worker."""

    def __init__(self, stderr: Path) -> None:
        self.socket, theirs = socket.socketpair()
        self.socket.settimeout(WAIT_S)
        with theirs, stderr.open("wb") as errors:
            self.process = subprocess.Popen(
                [sys.executable, "-I", "-m", "omlx_daemon.worker", "--fd", str(theirs.fileno())],
                pass_fds=(theirs.fileno(),),
                stderr=errors,
            )
        self.stderr = stderr
        self.events: list[tuple[str, Event]] = []
        self.notes: list[Note] = []
        self._decoder: msgspec.msgpack.Decoder[Note] = msgspec.msgpack.Decoder(Note)

    def send(self, *messages: Start | Submit | Cancel | Stop) -> None:
        self.socket.sendall(b"".join(map(pack, messages)))

    def submit(self, *requests: GenerationRequest) -> None:
        self.send(*(Submit(request=request) for request in requests))

    def until(self, done: Callable[[Note], bool]) -> Note:
        """Read notes up to the one that is `done`; events and notes are kept."""
        while (note := receive(self.socket, self._decoder)) is not None:
            self.notes.append(note)
            if isinstance(note, Events):
                self.events += note.items
            if done(note):
                return note
        raise AssertionError(f"the worker closed its end: {self.stderr.read_text()}")

    def until_event(self, name: str, kind: type[Event] | Any) -> Event:
        while not (found := [event for event in self.of(name) if isinstance(event, kind)]):
            self.until(lambda note: isinstance(note, Events))
        return found[0]

    def end_of(self, name: str) -> Event:
        return self.until_event(name, Terminal)

    def of(self, name: str) -> list[Event]:
        return [event for at, event in self.events if at == name]

    def code(self) -> int:
        return self.process.wait(WAIT_S)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_model(tmp_path_factory.mktemp("model"), sizes={"max_position_embeddings": CONTEXT_TOKENS})


@pytest.fixture
def peer(tmp_path: Path) -> Iterator[Peer]:
    peer = Peer(tmp_path / "stderr")
    yield peer
    peer.socket.close()
    peer.process.kill()
    peer.process.wait()


@pytest.fixture
def loaded(peer: Peer, folder: Path) -> Peer:
    settings = WorkerSettings(max_running=2, max_queued=2)
    peer.send(Start(model="tiny", path=str(folder), settings=settings))
    ready = peer.until(lambda note: isinstance(note, Ready))
    assert isinstance(ready, Ready)
    assert ready.context_tokens == CONTEXT_TOKENS
    assert ready.weights_bytes > 0
    return peer


def failure(event: Event) -> Code:
    assert isinstance(event, Failed), event
    return event.error.code


def test_a_load_tells_its_progress_and_a_request_its_whole_story(loaded: Peer) -> None:
    shares = [note.share for note in loaded.notes if isinstance(note, LoadProgress)]
    assert shares == sorted(shares)
    assert shares[0] == 0.0
    assert shares[-1] == 1.0
    loaded.submit(ask("a", "hello", chat=True, temperature=0.0, max_tokens=5, ignore_eos=True))
    end = loaded.end_of("a")
    events = loaded.of("a")
    assert isinstance(events[0], Queued)
    assert isinstance(end, Finished)
    assert events[0].prompt_tokens == end.usage.prompt_tokens > 0
    assert sum(len(event.token_ids) for event in events if isinstance(event, Text)) == end.usage.completion_tokens == 5
    last = loaded.until(lambda note: isinstance(note, Report) and note.running == 0)
    assert isinstance(last, Report)
    assert last.steps > 0
    assert last.active_bytes > 0


def test_what_is_wrong_with_a_request_is_its_only_event(loaded: Peer) -> None:
    loaded.submit(
        ask("long", "x" * (CONTEXT_TOKENS + 1000), max_tokens=1),
        ask("hot", "x", temperature=-1.0),
        ask("role", "x"),
        ask("good", "x", temperature=0.0, max_tokens=1),
    )
    assert failure(loaded.end_of("long")) is Code.CONTEXT_LENGTH_EXCEEDED
    assert failure(loaded.end_of("hot")) is Code.INVALID_REQUEST
    assert isinstance(loaded.end_of("good"), Finished)
    assert len(loaded.of("long")) == len(loaded.of("hot")) == 1


def test_a_full_queue_refuses_and_a_cancel_makes_room(loaded: Peer) -> None:
    loaded.submit(*(ask(f"r{n}", "hello", **ENDLESS) for n in range(5)))
    assert failure(loaded.end_of("r4")) is Code.QUEUE_FULL
    for n in range(4):
        loaded.send(Cancel(id=f"r{n}"))
        assert failure(loaded.end_of(f"r{n}")) is Code.CANCELLED
    loaded.submit(ask("next", "hello", temperature=0.0, max_tokens=1))
    assert isinstance(loaded.end_of("next"), Finished)


def test_cancels_of_what_is_not_there_are_ignored(loaded: Peer) -> None:
    loaded.send(Cancel(id="nobody"))
    loaded.submit(ask("a", "hello", temperature=0.0, max_tokens=1))
    loaded.end_of("a")
    loaded.send(Cancel(id="a"), Cancel(id="a"))
    loaded.submit(ask("b", "hello", temperature=0.0, max_tokens=1))
    loaded.end_of("b")
    assert sum(isinstance(event, Terminal) for event in loaded.of("a")) == 1


def test_a_stop_lets_running_requests_finish_and_refuses_new_ones(loaded: Peer) -> None:
    # Long enough to be at work when it is told to stop, however late that is.
    loaded.submit(ask("a", "hello", temperature=0.0, ignore_eos=True, max_tokens=1000))
    loaded.until_event("a", Text)
    loaded.send(Stop(deadline_s=WAIT_S), Submit(request=ask("late", "hello")))
    assert failure(loaded.end_of("late")) is Code.SHUTTING_DOWN
    assert isinstance(loaded.end_of("a"), Finished)
    assert loaded.code() == 0


def test_a_stop_without_patience_fails_the_rest_and_exits_0(loaded: Peer) -> None:
    loaded.submit(ask("a", "hello", **ENDLESS), ask("b", "hello", **ENDLESS), ask("c", "hello", **ENDLESS))
    loaded.until_event("a", Text)
    loaded.send(Stop())
    assert {failure(loaded.end_of(name)) for name in "abc"} == {Code.SHUTTING_DOWN}
    assert loaded.code() == 0


def test_a_stop_while_idle_exits_0(loaded: Peer) -> None:
    loaded.send(Stop(deadline_s=WAIT_S))
    assert loaded.code() == 0


def test_a_worker_whose_daemon_is_gone_exits_in_the_middle_of_a_step(loaded: Peer) -> None:
    loaded.submit(ask("a", "hello", **ENDLESS))
    loaded.until_event("a", Text)
    loaded.socket.close()
    assert loaded.code() == 0


def test_a_worker_whose_daemon_is_gone_exits_while_it_loads(peer: Peer, folder: Path) -> None:
    peer.send(Start(model="tiny", path=str(folder)))
    peer.until(lambda note: isinstance(note, LoadProgress))
    peer.socket.close()
    assert peer.code() == 0


def test_a_worker_dies_with_a_daemon_that_is_killed(tmp_path: Path, folder: Path) -> None:
    script = (
        "import os, socket, subprocess, sys, time\n"
        "from omlx_daemon.wire.frames import pack\n"
        "from omlx_daemon.wire.messages import Start\n"
        "ours, theirs = socket.socketpair()\n"
        "job = [sys.executable, '-I', '-m', 'omlx_daemon.worker', '--fd', str(theirs.fileno())]\n"
        "worker = subprocess.Popen(job, pass_fds=(theirs.fileno(),))\n"
        "theirs.close()\n"
        "ours.sendall(pack(Start(model='tiny', path=sys.argv[1])))\n"
        "print(worker.pid, flush=True)\n"
        "time.sleep(600)\n"
    )
    alive, theirs = os.pipe()
    with subprocess.Popen(
        [sys.executable, "-c", script, str(folder)], stdout=subprocess.PIPE, stderr=theirs, text=True
    ) as daemon:
        os.close(theirs)
        assert daemon.stdout is not None
        assert int(daemon.stdout.readline()) > 0
        daemon.kill()
    # The worker holds the other end of the pipe as its stderr: end of file means that it is gone.
    with os.fdopen(alive, "rb") as pipe:
        assert b"Traceback" not in pipe.read()


@pytest.mark.parametrize("frame", [b"\x05\x00\x00\x00hello", b"\xff\xff\xff\xff", b"\x00\x00\x00\x00"])
def test_a_bad_frame_is_one_line_and_an_exit_code(peer: Peer, frame: bytes) -> None:
    peer.socket.sendall(frame)
    assert peer.code() == 65
    (line,) = peer.stderr.read_text().splitlines()
    assert line.startswith("omlx-worker: bad message from the daemon: ")


def test_anything_but_a_start_first_is_a_bad_message(peer: Peer) -> None:
    peer.send(Cancel(id="x"))
    assert peer.code() == 65
    assert len(peer.stderr.read_text().splitlines()) == 1


def test_a_failed_load_is_told_and_exits_1(peer: Peer, tmp_path: Path) -> None:
    peer.send(Start(model="nothing", path=str(tmp_path / "nothing")))
    note = peer.until(lambda note: isinstance(note, LoadFailed))
    assert isinstance(note, LoadFailed)
    assert note.error.code is Code.LOAD_FAILED
    assert peer.code() == 1
    assert "Traceback" not in peer.stderr.read_text()


def test_requests_sent_before_the_load_is_over_are_answered(peer: Peer, folder: Path) -> None:
    peer.send(Start(model="tiny", path=str(folder)))
    peer.submit(ask("a", "hello", temperature=0.0, max_tokens=2), ask("gone", "hello"))
    peer.send(Cancel(id="gone"))
    assert failure(peer.end_of("gone")) is Code.CANCELLED
    assert isinstance(peer.end_of("a"), Finished)


def test_a_descriptor_that_is_no_socket_is_one_line(tmp_path: Path) -> None:
    with (tmp_path / "file").open("wb") as file:
        done = subprocess.run(
            [sys.executable, "-I", "-m", "omlx_daemon.worker", "--fd", str(file.fileno())],
            pass_fds=(file.fileno(),),
            capture_output=True,
            text=True,
            check=False,
            timeout=WAIT_S,
        )
    assert done.returncode == 64
    assert len(done.stderr.splitlines()) == 1


def test_the_probe_says_what_mlx_computes_with() -> None:
    job = [sys.executable, "-I", "-m", "omlx_daemon.worker", "--probe"]
    environment = {**os.environ, "OMLX_BLAS": "none"}
    done = subprocess.run(job, capture_output=True, text=True, check=True, timeout=WAIT_S, env=environment)
    facts = json.loads(done.stdout)
    assert facts["backend"] in {"cpu", "cuda", "metal"}
    assert facts["blas"] in {"reference", "Accelerate", ""}
    assert facts["mlx"]
