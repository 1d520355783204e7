"""What the daemon takes from service managers, and what it tells them."""

from __future__ import annotations

import asyncio
import ctypes
import errno
import os
import signal
import socket
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest

from omlx_daemon import activation, launchd
from omlx_daemon.idle import IdleWatch
from omlx_daemon.listeners import listen
from omlx_daemon.notify import Notifier
from tests.standin.mac import Mac
from tests.standin.machine import ROOT

CALL = ctypes.CFUNCTYPE(
    ctypes.c_int, ctypes.c_char_p, ctypes.POINTER(ctypes.POINTER(ctypes.c_int)), ctypes.POINTER(ctypes.c_size_t)
)
Pointer = Any


def library(answer: Callable[[bytes], list[int] | int]) -> ctypes.CDLL:
    """Return a library whose call goes through C and back, with an array from malloc as launchd's is."""

    def activate(name: bytes, numbers: Pointer, count: Pointer) -> int:
        found = answer(name)
        if isinstance(found, int):
            return found
        malloc = ctypes.CDLL(None).malloc
        malloc.restype, malloc.argtypes = ctypes.c_void_p, [ctypes.c_size_t]
        array = ctypes.cast(malloc(ctypes.sizeof(ctypes.c_int) * len(found)), ctypes.POINTER(ctypes.c_int))
        for index, number in enumerate(found):
            array[index] = number
        numbers[0], count[0] = array, len(found)
        return 0

    return cast("ctypes.CDLL", SimpleNamespace(launch_activate_socket=CALL(activate)))


def test_launchds_call_answers_with_file_descriptors() -> None:
    assert launchd.activate("omlx", library(lambda name: [7, 9] if name == b"omlx" else errno.ENOENT)) == [7, 9]


@pytest.mark.parametrize("code", [errno.ENOENT, errno.ESRCH, errno.EALREADY])
def test_launchds_call_may_refuse(code: int) -> None:
    with pytest.raises(OSError) as caught:
        launchd.activate("omlx", library(lambda _: code))
    assert caught.value.errno == code


def test_a_system_without_launchd_has_no_such_call() -> None:
    with pytest.raises(OSError) as caught:
        launchd.activate("omlx", cast("ctypes.CDLL", SimpleNamespace()))
    assert caught.value.errno == errno.ENOSYS


PROBE = "import sys; from omlx_daemon import launchd; print(launchd.activate(sys.argv[1]))"


@pytest.mark.parametrize(
    ("given", "name", "said"),
    [
        ("omlx:4,5;web:6", "omlx", "[4, 5]"),
        ("omlx:4,5;web:6", "web", "[6]"),
        ("web:6", "omlx", "No such file or directory"),
        (None, "omlx", "No such process"),
    ],
)
def test_a_real_library_in_front_of_the_systems(launchd_library: str, given: str | None, name: str, said: str) -> None:
    if not launchd_library:
        with pytest.raises(OSError):
            launchd.activate(name)
        return
    variables = {"LD_PRELOAD": launchd_library, "PYTHONPATH": str(ROOT)}
    done = subprocess.run(
        [sys.executable, "-c", PROBE, name],
        env={**variables, **({"STANDIN_SOCKETS": given} if given else {})},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert said in done.stdout + done.stderr


TAKE = """
import os, sys
from omlx_daemon import activation
for wanted, held in ((3, sys.argv[3]), (4, sys.argv[4])):
    os.dup2(int(held), wanted)
os.environ["LISTEN_PID"] = sys.argv[1] or str(os.getpid())
os.environ["LISTEN_FDS"] = sys.argv[2]
found = activation.take(os.environ)
print([f"{s.getsockname()[1]} {s.get_inheritable()} {s.gettimeout()}" for s in found], "LISTEN_FDS" in os.environ)
"""


@pytest.mark.parametrize(
    ("owner", "count", "taken"), [("", "2", True), ("1", "2", False), ("", "0", False), ("", "x", False)]
)
def test_systemds_numbers_are_taken_by_whom_they_are_for(owner: str, count: str, taken: bool) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener, socket.socket() as other:
        done = subprocess.run(
            [sys.executable, "-c", TAKE, owner, count, str(listener.fileno()), str(other.fileno())],
            env={"PYTHONPATH": str(ROOT)},
            pass_fds=(listener.fileno(), other.fileno()),
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )
        port = listener.getsockname()[1]
    # The second is no listener, and is closed without a word.
    assert done.stdout == (f"['{port} False 0.0'] False\n" if taken else "[] False\n"), done.stderr


def test_who_waits_is_told_that_nobody_comes() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        listener.setblocking(False)
        with socket.create_connection(listener.getsockname()) as client:
            client.sendall(b"GET / HTTP/1.1\r\n\r\n")
            activation.turn_away([listener])
            answer = client.recv(65536)
    assert answer.startswith(b"HTTP/1.1 503 ")
    head, _, body = answer.partition(b"\r\n\r\n")
    assert f"Content-Length: {len(body)}".encode() in head


def test_a_given_listener_takes_the_place_of_our_own(tmp_path: Path) -> None:
    from omlx_cli.contract.errors import Code, OmlxError
    from omlx_cli.contract.settings import ServerSettings

    tmp_path.chmod(0o700)
    given = socket.create_server(("127.0.0.1", 0))
    listeners = listen(tmp_path / "s", ServerSettings(port=1), (given,))
    assert (listeners.address, listeners.sockets[1]) == (f"127.0.0.1:{given.getsockname()[1]}", given)
    listeners.close()
    with socket.create_server(("0.0.0.0", 0)) as open_, pytest.raises(OmlxError) as caught:
        listen(tmp_path / "t", ServerSettings(), (open_,))
    assert caught.value.code is Code.INVALID_CONFIG


@pytest.mark.parametrize("abstract", [False, True])
def test_systemd_is_told_in_single_datagrams(tmp_path: Path, abstract: bool) -> None:
    address = f"\0omlx-test-{os.getpid()}" if abstract else str(tmp_path / "notify")
    variables = {"NOTIFY_SOCKET": address.replace("\0", "@")}
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as line:
        line.bind(address)
        notifier = Notifier(variables)
        notifier.ready()
        notifier.failed("two\nlines")
        notifier.stopping()
        said = [line.recv(1000).decode() for _ in range(3)]
    assert said == ["READY=1\nSTATUS=ready", "STATUS=two lines", "STOPPING=1\nSTATUS=letting running requests finish"]
    assert variables == {}


def test_nobody_to_tell_is_no_error(tmp_path: Path) -> None:
    Notifier({}).ready()
    Notifier({"NOTIFY_SOCKET": str(tmp_path / "gone")}).ready()


class Clock:
    """A clock that the watch itself drives: every look takes a second; `busy` lists the seconds with work."""

    def __init__(self, busy: set[int], asked: set[int]) -> None:
        self.now_s = 0
        self.busy, self.asked, self.requests = busy, asked, 0

    def __call__(self) -> float:
        return float(self.now_s)

    def is_busy(self) -> bool:
        self.now_s += 1
        self.requests += self.now_s in self.asked
        return self.now_s in self.busy


@pytest.mark.parametrize(
    ("busy", "asked", "end_s"), [(set(), set(), 20), (set(range(1, 40)), set(), 59), (set(), {15}, 35)]
)
def test_idle_time_begins_anew_with_work_and_with_requests(busy: set[int], asked: set[int], end_s: int) -> None:
    clock = Clock(busy, asked)
    watch = IdleWatch(20.0, clock.is_busy, lambda: clock.requests, clock)
    watch._pause_s = 0.0
    asyncio.run(watch.wait())
    assert end_s <= clock.now_s <= end_s + 4


def test_the_stand_in_hands_listeners_over_without_a_compiler_too(tmp_path: Path) -> None:
    mac = Mac(tmp_path, "")
    try:
        mac.well("start")
        os.kill(int(mac.status()["pid"]), signal.SIGTERM)
        mac.wait_gone()
        assert mac.curl()["state"] == "ready"
        assert mac.status()["address"] == f"127.0.0.1:{mac.port}"
    finally:
        mac.close()
