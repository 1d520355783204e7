"""Real pressure: real models under a limit that they do not fit together, under ulimit, and thirty loads in a row."""

from __future__ import annotations

import http.client
import json
import os
import resource
import subprocess
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import urlparse

import psutil
import pytest

from tests.e2e.conftest import CLI, Home, link_or_copy, make_home
from tests.waiting import wait_until
from tests.worker.models import write_model

MB = 1_000_000
LIMIT_BYTES = 1300 * MB
"""Room for SmolLM2 once, in the precision in which it runs fast."""
TRANSIENT_BYTES = 32 * MB
LONG = 4000
"""Tokens that take longer than anything waits for memory; nobody reads them all."""
CONFIG = """\
[server]
port = 0

[memory]
limit = "{limit}"
reserve = "64MiB"

[model]
min_residency = "{residency}"
"""

pytestmark = [pytest.mark.model, pytest.mark.timeout(600)]


@pytest.fixture
def crowded(tmp_path: Path, smollm2_path: Path) -> Iterator[Home]:
    """Return a home with SmolLM2 twice, under a limit that only one of them fits."""
    home = make_home(tmp_path, smollm2_path)
    configure(home)
    twin = home.path / "models" / "twin"
    twin.mkdir()
    for file in smollm2_path.iterdir():
        if file.suffix != ".toml" and file.is_file():
            link_or_copy(str(file), str(twin / file.name))
    (twin / "omlx.json").unlink(missing_ok=True)
    yield home
    home.stop()


def configure(home: Home, limit: str = f"{LIMIT_BYTES // MB}MB", residency: str = "0") -> None:
    (home.path / "config.toml").write_text(CONFIG.format(limit=limit, residency=residency))


def document(home: Home, *words: str) -> Any:
    ran = home.run(*words, "--json")
    assert ran.returncode == 0, ran.stderr
    return json.loads(ran.stdout)


def in_memory(home: Home) -> list[str]:
    return [row["name"] for row in document(home, "ps")["models"]]


@contextmanager
def asked(home: Home, model: str, **options: object) -> Iterator[http.client.HTTPResponse]:
    """Post a chat and give the answer, of which nothing is read yet."""
    url = urlparse(home.base_url)
    connection = http.client.HTTPConnection(str(url.hostname), url.port, timeout=300)
    body = {"model": model, "messages": [{"role": "user", "content": "Count."}], "temperature": 0, **options}
    try:
        connection.request("POST", "/v1/chat/completions", json.dumps(body), {"content-type": "application/json"})
        yield connection.getresponse()
    finally:
        connection.close()


def goes_on(stream: http.client.HTTPResponse) -> None:
    """See that more of an answer comes, more than had been sent already."""
    for _ in range(50):
        line = stream.readline()
        assert b"error" not in line
        assert line


def answered(home: Home, model: str, **options: object) -> tuple[int, str, Any]:
    """Return status, `Retry-After` and document of a chat."""
    with asked(home, model, **options) as answer:
        return answer.status, answer.headers.get("retry-after", ""), json.loads(answer.read())


class Watch:
    """Adds up what the daemon's workers hold, again and again, and keeps the most."""

    def __init__(self, home: Home) -> None:
        self.most_bytes = 0
        self._daemon = psutil.Process(int(str(home.info()["pid"])))
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._run)

    def _run(self) -> None:
        while not self._over.wait(0.02):
            self.most_bytes = max(self.most_bytes, workers_bytes(self._daemon))

    def __enter__(self) -> Watch:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._over.set()
        self._thread.join()


def workers_bytes(daemon: psutil.Process) -> int:
    total = 0
    for worker in daemon.children(recursive=True):
        try:
            total += worker.memory_info().rss
        except psutil.NoSuchProcess:
            continue
    return total


def test_under_a_real_limit_nobody_busy_makes_way_and_the_refusal_says_why(crowded: Home) -> None:
    assert crowded.run("load", "smollm2").returncode == 0
    with Watch(crowded) as watch:
        with asked(crowded, "smollm2", stream=True, max_tokens=LONG, ignore_eos=True) as stream:
            assert stream.status == 200
            stream.readline()
            status, retry_after, refused = answered(crowded, "twin", max_tokens=4)
            error = refused["error"]
            assert (status, error["code"]) == (503, "memory_busy")
            assert float(retry_after) >= 1
            for term in ("twin needs", "weights", "kv", "limit 1.3 GB", "used", "available", "smollm2", "busy"):
                assert term in error["message"], term
            assert in_memory(crowded) == ["smollm2:135m"]
            goes_on(stream)
        assert answered(crowded, "twin", max_tokens=4)[0] == 200
        assert in_memory(crowded) == ["twin"]
    assert watch.most_bytes <= LIMIT_BYTES + TRANSIENT_BYTES
    assert document(crowded, "status")["memory"]["swaps"] == 1


def test_a_command_is_told_the_terms_too(crowded: Home) -> None:
    configure(crowded, residency="1h")
    assert crowded.run("load", "smollm2").returncode == 0
    refused = crowded.run("load", "twin")
    assert refused.returncode == 6
    assert "twin needs" in refused.stderr
    assert "omlx unload smollm2" in refused.stderr
    estimated = crowded.run("load", "twin", "--estimate-only")
    assert estimated.returncode == 6
    assert estimated.stdout.endswith("twin would not fit now\n")
    status = crowded.run("status")
    assert "twin was refused" in status.stderr
    assert crowded.run("unload", "smollm2").returncode == 0
    assert crowded.run("load", "twin").returncode == 0


def test_pressure_from_outside_comes_and_goes(crowded: Home) -> None:
    """The limit falls under what the model takes, as if others had taken the rest; then it rises again."""
    configure(crowded, limit="2GB")
    assert crowded.run("load", "smollm2").returncode == 0
    held_bytes = document(crowded, "status")["memory_used_bytes"]
    with reloaded(crowded, limit=f"{held_bytes * 100 // 97 // MB}MB"):
        wait_until(lambda: level(crowded) == "red")
        with asked(crowded, "smollm2", stream=True, max_tokens=LONG, ignore_eos=True) as stream:
            assert stream.status == 200, "work that is alone is let in"
            stream.readline()
            status, _, refused = answered(crowded, "smollm2", max_tokens=4)
            assert (status, refused["error"]["code"]) == (503, "memory_busy")
            goes_on(stream)
    wait_until(lambda: level(crowded) == "green")
    assert answered(crowded, "smollm2", max_tokens=4)[0] == 200


@contextmanager
def reloaded(home: Home, limit: str) -> Iterator[None]:
    """Have the daemon use another limit for a while."""
    before = (home.path / "config.toml").read_text()
    configure(home, limit=limit)
    assert home.run("config", "reload").returncode == 0
    try:
        yield
    finally:
        (home.path / "config.toml").write_text(before)
        assert home.run("config", "reload").returncode == 0


def level(home: Home) -> str:
    return str(document(home, "status")["memory"]["level"])


def limited(home: Home, data_bytes: int, *words: str) -> subprocess.CompletedProcess[str]:
    """Run a command, and the daemon that it starts, under `ulimit -d`."""
    return subprocess.run(
        [*CLI, *words],
        env=home.environment,
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
        preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_DATA, (data_bytes, data_bytes)),
    )


def test_under_ulimit_a_model_is_refused_or_runs_and_never_dies(tmp_path: Path, smollm2_path: Path) -> None:
    home = make_home(tmp_path, smollm2_path)
    try:
        refused = limited(home, 700 * MB, "load", "smollm2")
        assert refused.returncode == 6, refused.stderr
        assert "process limit 432 MB" in refused.stderr
        assert "raise ulimit -d" in refused.stderr
        home.stop()
        loaded = limited(home, 1700 * MB, "load", "smollm2")
        assert loaded.returncode == 0, loaded.stderr
        with ThreadPoolExecutor(4) as clients:
            answers = clients.map(lambda _: answered(home, "smollm2", max_tokens=16, ignore_eos=True)[0], range(4))
            assert list(answers) == [200] * 4
        assert document(home, "ps")["models"][0]["crashes"] == 0
    finally:
        home.stop()


def test_loads_again_and_again_leave_nothing_behind(tmp_path: Path, smollm2_path: Path) -> None:
    home = make_home(tmp_path, smollm2_path)
    write_model(home.path / "models" / "tiny")
    try:
        cycle(home, "tiny")
        cycle(home, "smollm2")
        daemon = psutil.Process(int(str(home.info()["pid"])))
        before_bytes, descriptors = daemon.memory_info().rss, daemon.num_fds()
        for number in range(int(os.environ.get("OMLX_TEST_LOADS", "10"))):
            cycle(home, ("tiny", "smollm2")[number % 2])
        assert daemon.children(recursive=True) == []
        # The connection of the last command may be about to close.
        wait_until(lambda: daemon.num_fds() <= descriptors, why_not=lambda: f"{daemon.num_fds()} > {descriptors}")
        assert daemon.memory_info().rss <= 1.02 * before_bytes
    finally:
        home.stop()


def cycle(home: Home, name: str) -> None:
    loaded = home.run("load", name)
    assert loaded.returncode == 0, loaded.stderr
    assert home.run("unload", name).returncode == 0
