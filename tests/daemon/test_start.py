"""How a daemon starts, and how it says that it does not."""

from __future__ import annotations

import contextlib
import http.client
import json
import os
import signal
import socket
import stat
import sys
import tempfile
from pathlib import Path

import psutil
import pytest

from omlx_cli import keys
from omlx_cli.contract import routes
from omlx_cli.contract.api import Health
from tests.daemon.conftest import DAEMON, Home

HEAVY = {"mlx", "mlx_lm", "transformers", "huggingface_hub", "numpy", "safetensors", "tokenizers", "gguf", "httpx"}

TELLING = """
import sys
from omlx_daemon.__main__ import main
code = main()
sys.stderr.write(" ".join(sys.modules))
sys.exit(code)
"""


def health_at(address: str) -> dict[str, object]:
    connection = http.client.HTTPConnection(address, timeout=30)
    try:
        connection.request("GET", "/health")
        found: dict[str, object] = json.loads(connection.getresponse().read())
        return found
    finally:
        connection.close()


def stop(home: Home) -> None:
    running = home.started[-1]
    running.process.send_signal(signal.SIGTERM)
    code, errors = running.wait()
    assert (code, errors) == (0, "")


def refused(home: Home, *words: str, command: tuple[str, ...] = DAEMON) -> tuple[int, dict[str, str]]:
    """Start a daemon that cannot start; return its exit code and error, which stderr tells in full."""
    running = home.start(*words, command=command)
    code, errors = running.wait()
    error = running.said["error"]
    assert errors.splitlines()[0] == f"error: {error['message']}"
    assert len(errors.splitlines()) == 2
    return code, error


def test_it_is_ready_on_both_sockets_and_private(home: Home) -> None:
    running = home.start()
    assert running.said == {"ready": True}
    assert "server: ready: " in home.paths.daemon_log.read_text(), "the starter hears of it when all is written"
    info = home.info()
    assert (info["pid"], info["state"], info["tcp_error"]) == (running.process.pid, "ready", "")
    status, health = home.call("GET", "/health")
    assert status == 200
    assert health == health_at(info["address"])
    assert (health["state"], health["start_id"]) == ("ready", info["start_id"])
    assert home.call("GET", "/omlx/v1/status")[1]["daemon"]["home"] == str(home.path)
    assert home.call("GET", routes.CACHE_STATS)[0] == 200, "the cache directory is opened by now"
    for path in (home.path, *home.path.rglob("*")):
        # What is replaced whole is a temporary file first, which may be gone by now.
        with contextlib.suppress(FileNotFoundError):
            mode = stat.S_IMODE(path.lstat().st_mode)
            assert mode & 0o077 == 0 or path == home.paths.config, path
    assert stat.S_IMODE(home.paths.socket.lstat().st_mode) == 0o600
    stop(home)
    assert not home.paths.socket.exists()
    assert not home.paths.daemon_info.exists()


def test_a_second_daemon_of_a_home_is_refused(home: Home) -> None:
    first = home.start()
    code, error = refused(home)
    assert code == 75
    assert error["code"] == "already_running"
    assert str(first.process.pid) in error["message"]
    assert home.call("GET", "/health")[1]["pid"] == first.process.pid


def test_what_a_dead_daemon_left_does_not_matter(home: Home) -> None:
    home.paths.create()
    home.paths.socket.write_text("no socket")
    home.paths.daemon_info.write_text(json.dumps({"pid": os.getpid()}))
    home.paths.daemon_lock.write_text(f"{os.getpid()}\n")
    home.paths.state.write_text("{broken")
    assert home.start().said == {"ready": True}
    assert home.call("GET", "/health")[0] == 200


def test_it_starts_again_after_kill_9(home: Home) -> None:
    first = home.start()
    before = home.info()["start_id"]
    first.process.kill()
    first.process.wait(30)
    assert home.paths.socket.exists()
    assert home.start().said == {"ready": True}
    assert home.call("GET", "/health")[1]["start_id"] != before


@pytest.mark.parametrize("family", ["omlx", "stranger"])
def test_a_busy_port_leaves_the_unix_socket_and_names_the_owner(home: Home, tmp_path: Path, family: str) -> None:
    other = Home(tmp_path / "other")
    with socket.create_server(("127.0.0.1", 0)) as stranger:
        if family == "omlx":
            other.configure("[server]\nport = 0\n")
            other.start()
            port, owner = other.info()["address"].rpartition(":")[2], f"another omlx daemon of {other.path}"
        else:
            port, owner = stranger.getsockname()[1], f"{psutil.Process().name()} (process {os.getpid()})"
        try:
            assert home.start("--port", str(port)).said == {"ready": True}
        finally:
            other.close()
    info = home.info()
    assert info["address"] == ""
    assert f"port {port} on 127.0.0.1 is in use by {owner}" in info["tcp_error"]
    assert home.call("GET", "/omlx/v1/status")[1]["daemon"]["tcp_error"] == info["tcp_error"]


def test_a_home_with_a_long_path_works(home: Home) -> None:
    long = Home(home.path / ("x" * 60) / ("y" * 60) / "home")
    try:
        long.path.parent.mkdir(parents=True)
        assert long.start("--port", "0").said == {"ready": True}
        assert len(str(long.paths.socket)) < 100
        assert long.call("GET", "/health")[0] == 200
        assert stat.S_IMODE(long.paths.socket.parent.stat().st_mode) == 0o700
        stop(long)
    finally:
        long.close()
        long.paths.socket.unlink(missing_ok=True)
        long.paths.socket.parent.rmdir()


def test_an_open_address_needs_a_key(home: Home) -> None:
    code, error = refused(home, "--host", "0.0.0.0")
    assert (code, error["code"]) == (2, "invalid_config")
    assert "there is no API key" in error["message"]
    assert "omlx key create" in error["hint"]
    home.configure('[server]\nport = 0\nhost = "0.0.0.0"\napi_key = "secret"\n')
    assert home.start().said == {"ready": True}
    assert home.info()["address"].startswith("0.0.0.0:")


def test_a_key_that_was_handed_out_opens_an_address_until_it_is_withdrawn(home: Home) -> None:
    home.path.mkdir(mode=0o700, exist_ok=True)
    key, _ = keys.create(home.paths.keys, "phone", "inference", "normal", False)
    home.configure('[server]\nport = 0\nhost = "0.0.0.0"\n')
    assert home.start().said == {"ready": True}
    port = int(home.info()["address"].rpartition(":")[2])

    def over_tcp(headers: dict[str, str]) -> int:
        with contextlib.closing(http.client.HTTPConnection("127.0.0.1", port, timeout=60)) as connection:
            connection.request("GET", routes.OPENAI_MODELS, headers=headers)
            return connection.getresponse().status

    assert [over_tcp({}), over_tcp({"x-api-key": key})] == [401, 200]
    keys.remove(home.paths.keys, ("phone",))
    assert [over_tcp({}), over_tcp({"x-api-key": key})] == [401, 401]


def test_an_address_that_is_not_here_leaves_the_unix_socket(home: Home) -> None:
    home.configure('[server]\nport = 0\nhost = "192.0.2.1"\napi_key = "secret"\n')
    assert home.start().said == {"ready": True}
    assert "192.0.2.1" in home.info()["tcp_error"]


@pytest.mark.parametrize(
    ("config", "says"),
    [("[server]\nprot = 1\n", "prot"), ("[server]\nport = 70000\n", "port"), ("x = = 1", "config.toml")],
)
def test_a_broken_config_is_named(home: Home, config: str, says: str) -> None:
    home.configure(config)
    code, error = refused(home)
    assert (code, error["code"]) == (2, "invalid_config")
    assert says in error["message"]


def test_a_port_that_is_none_is_refused(home: Home) -> None:
    code, error = refused(home, "--port", "70000")
    assert (code, error["code"]) == (2, "invalid_config")


def test_a_home_that_cannot_be_made_is_one_clear_line(home: Home, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    code, error = refused(Home(tmp_path / "file" / "home"))
    assert code == 4
    assert "file" in error["message"]


@pytest.mark.parametrize("name", ["omlx.sock", "daemon.lock"])
def test_a_directory_in_the_way_is_one_clear_line(home: Home, name: str) -> None:
    home.paths.create()
    (home.paths.run / name).mkdir()
    code, error = refused(home)
    assert code == 4
    assert name in error["message"]


def test_a_log_that_cannot_be_written_is_one_clear_line(home: Home) -> None:
    home.paths.create()
    home.paths.daemon_log.mkdir()
    code, error = refused(home)
    assert code == 4
    assert "daemon.log" in error["message"]


def test_an_unknown_flag_is_a_usage_error(home: Home) -> None:
    running = home.start("--prot", "1")
    code, errors = running.wait()
    assert code == 2
    assert "--prot" in errors


def test_foreground_logs_to_stderr_and_ends_on_ctrl_c(home: Home) -> None:
    running = home.start("--foreground")
    running.process.send_signal(signal.SIGINT)
    code, errors = running.wait()
    assert code == 0
    assert "ready" in errors
    assert "stopping" in errors


def test_a_daemon_without_a_starter_works(home: Home) -> None:
    from tests.daemon.conftest import until

    with tempfile.TemporaryFile() as output:
        import subprocess

        process = subprocess.Popen([*DAEMON, "--home", str(home.path)], stderr=output)
        try:
            until(home.paths.daemon_info.exists)
            assert Health(**home.call("GET", "/health")[1]).pid == process.pid
        finally:
            process.terminate()
            assert process.wait(30) == 0


def test_it_is_light(home: Home) -> None:
    """Nothing heavy is imported from start to end, and an idle daemon stays small."""
    running = home.start(command=(sys.executable, "-I", "-X", "utf8", "-c", TELLING))
    for path in ("/health", "/omlx/v1/ps", "/omlx/v1/status", "/omlx/v1/models", "/v1/models"):
        assert home.call("GET", path)[0] == 200
    assert psutil.Process(running.process.pid).memory_info().rss < 80_000_000
    running.process.terminate()
    code, imported = running.wait()
    assert code == 0
    modules = {name.partition(".")[0] for name in imported.split()}
    assert "litestar" in modules
    assert not modules & HEAVY


def test_many_files_may_be_open(home: Home) -> None:
    running = home.start()
    soft, hard = psutil.Process(running.process.pid).rlimit(psutil.RLIMIT_NOFILE)
    assert soft == min(hard, 65536)
