"""The server's small parts, each by itself."""

from __future__ import annotations

import os
import stat
import subprocess
import sys
from pathlib import Path

import pytest

from omlx_cli.contract.errors import Code, ErrorBody, OmlxError
from omlx_cli.contract.settings import ServerSettings
from omlx_daemon.core import files
from omlx_daemon.listeners import listen, listen_unix
from omlx_daemon.locks import DaemonLock
from omlx_daemon.port_owner import name_owner
from omlx_daemon.ready import ReadyPipe
from tests.waiting import wait_until


def read_all(fd: int) -> bytes:
    with os.fdopen(fd, "rb") as pipe:
        return pipe.read()


def test_ready_is_said_once_and_the_pipe_is_closed() -> None:
    read_end, write_end = os.pipe()
    os.set_inheritable(write_end, True)
    pipe = ReadyPipe(write_end)
    assert not os.get_inheritable(write_end)
    pipe.ready()
    pipe.fail(ErrorBody(code=Code.INTERNAL, message="late"))
    assert read_all(read_end) == b'{"ready":true}\n'


def test_a_starter_that_is_gone_or_was_never_there_does_not_matter() -> None:
    read_end, write_end = os.pipe()
    os.close(read_end)
    ReadyPipe(write_end).ready()
    ReadyPipe(None).ready()
    ReadyPipe(9999).fail(ErrorBody(code=Code.INTERNAL, message="x"))


def test_the_lock_is_exclusive_and_free_afterwards(tmp_path: Path) -> None:
    path = tmp_path / "run" / "daemon.lock"
    path.parent.mkdir()
    with DaemonLock(path), pytest.raises(OmlxError) as refusal, DaemonLock(path):
        pytest.fail("two locks")
    assert refusal.value.code is Code.ALREADY_RUNNING
    with DaemonLock(path):
        assert path.read_text() == f"{os.getpid()}\n"


def is_free(path: Path) -> bool:
    try:
        with DaemonLock(path):
            return True
    except OmlxError:
        return False


def test_the_lock_is_not_inherited(tmp_path: Path) -> None:
    path = tmp_path / "daemon.lock"
    with DaemonLock(path):
        child = subprocess.Popen([sys.executable, "-I", "-c", "input()"], stdin=subprocess.PIPE, close_fds=False)
    try:
        # The child's start closes its copies one by one; the pipe that Popen waits for may be closed before the lock.
        wait_until(lambda: is_free(path))
        assert child.poll() is None
    finally:
        child.communicate(b"\n", timeout=30)


def test_a_lock_that_is_a_link_is_refused(tmp_path: Path) -> None:
    (tmp_path / "precious").write_text("kept")
    (tmp_path / "daemon.lock").symlink_to(tmp_path / "precious")
    with pytest.raises(OSError, match="symbolic links"), DaemonLock(tmp_path / "daemon.lock"):
        pytest.fail("locked")
    assert (tmp_path / "precious").read_text() == "kept"


def test_the_unix_socket_is_private_whatever_the_umask(tmp_path: Path) -> None:
    tmp_path.chmod(0o755)
    before = os.umask(0)
    try:
        listen_unix(tmp_path / "s.sock").close()
        assert os.umask(0) == 0
    finally:
        os.umask(before)
    assert stat.S_IMODE((tmp_path / "s.sock").lstat().st_mode) == 0o600
    assert stat.S_IMODE(tmp_path.stat().st_mode) == 0o700


def test_a_socket_folder_of_somebody_else_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    owner = os.getuid()
    monkeypatch.setattr(os, "getuid", lambda: owner + 1)
    with pytest.raises(OmlxError) as refusal:
        listen_unix(tmp_path / "s.sock")
    assert "not a folder of yours" in str(refusal.value)


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost", "127.0.0.2"])
def test_loopback_needs_no_key(tmp_path: Path, host: str) -> None:
    listeners = listen(tmp_path / "s.sock", ServerSettings(host=host, port=0))
    listeners.close()
    assert len(listeners.sockets) == 2
    assert not listeners.tcp_error


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "192.0.2.7"])
def test_anything_else_needs_one(tmp_path: Path, host: str) -> None:
    with pytest.raises(OmlxError) as refusal:
        listen(tmp_path / "s.sock", ServerSettings(host=host, port=0))
    assert refusal.value.code is Code.INVALID_CONFIG
    assert not (tmp_path / "s.sock").exists()


def test_two_daemons_cannot_share_a_port(tmp_path: Path) -> None:
    first = listen(tmp_path / "a.sock", ServerSettings(port=0))
    port = int(first.address.rpartition(":")[2])
    second = listen(tmp_path / "b.sock", ServerSettings(port=port))
    first.close()
    second.close()
    assert second.address == ""
    assert f"(process {os.getpid()})" in second.tcp_error


def test_nobody_owns_a_free_port() -> None:
    assert name_owner("127.0.0.1", 1) == ""


def test_a_file_is_replaced_whole_and_private(tmp_path: Path) -> None:
    files.replace(tmp_path / "f", b"one")
    files.replace(tmp_path / "f", b"two")
    assert (tmp_path / "f").read_bytes() == b"two"
    assert stat.S_IMODE((tmp_path / "f").stat().st_mode) == 0o600
    (tmp_path / "d").mkdir()
    with pytest.raises(OSError, match="directory"):
        files.replace(tmp_path / "d", b"x")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["d", "f"]


def test_the_log_rotates_and_stays_private(tmp_path: Path) -> None:
    script = (
        "import logging, os, sys; from pathlib import Path\n"
        "from omlx_cli.contract.settings import DaemonSettings; from omlx_daemon import logs\n"
        "os.umask(0o077)\n"
        "logs.start(Path(sys.argv[1]), DaemonSettings(log_size='2kB', log_files=3), foreground=False)\n"
        "for i in range(200): logging.getLogger('x').info('line %d', i)\n"
    )
    log = tmp_path / "daemon.log"
    done = subprocess.run([sys.executable, "-I", "-c", script, log], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
    names = sorted(path.name for path in tmp_path.glob("daemon.log*"))
    assert names == ["daemon.log", "daemon.log.1", "daemon.log.2"]
    assert all(
        path.stat().st_size <= 2000 and stat.S_IMODE(path.stat().st_mode) == 0o600 for path in log.parent.iterdir()
    )
    assert log.read_text().rstrip().endswith("line 199")


def test_a_pipe_in_the_place_of_the_log_holds_nobody_up(tmp_path: Path) -> None:
    script = (
        "import logging, os, sys; from pathlib import Path\n"
        "from omlx_cli.contract.settings import DaemonSettings; from omlx_daemon import logs\n"
        "log = Path(sys.argv[1]); file = logs.start(log, DaemonSettings(), foreground=False)\n"
        "log.unlink(); os.mkfifo(log); logging.getLogger('x').warning('lost'); print(file.trouble)\n"
        "log.unlink(); logging.getLogger('x').warning('kept'); print(log.read_text())\n"
    )
    command = [sys.executable, "-I", "-c", script, str(tmp_path / "daemon.log")]
    done = subprocess.run(command, capture_output=True, text=True, check=True, timeout=60)
    trouble, missing, kept, *_ = done.stdout.splitlines()
    assert "it is a pipe" in trouble and "1 messages are missing here" in missing
    assert kept.endswith("kept")
