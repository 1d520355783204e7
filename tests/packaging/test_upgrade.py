"""Two versions side by side over one home: what one began the other goes on with, and nothing is lost."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from omlx_cli import __version__
from tests.cachewire.conftest import ROOMY
from tests.cachewire.driving import MODEL, Client, story, until
from tests.e2e.conftest import make_home
from tests.faults.place import await_sequence, standing_still
from tests.packaging.release import Version
from tests.worker.models import TEMPLATE, write_model

LATER, NEWER = "90.1.0", "90.2.0"
OTHER_FORMAT = {
    "omlx_daemon/coldstore/layout.py": ('BUCKET = "kv-v1"', 'BUCKET = "kv-v2"'),
    "omlx_daemon/coldstore/header.py": ('FORMAT_VERSION = "1"', 'FORMAT_VERSION = "2"'),
}
NEW_KEY = {"omlx_cli/contract/settings.py": ("    stop_timeout: str", '    greeting: str = ""\n    stop_timeout: str')}
PROMPT = story(1100)

pytestmark = pytest.mark.timeout(300)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return where the versions are installed."""
    return tmp_path_factory.mktemp("versions")


@pytest.fixture(scope="module")
def now(folder: Path) -> Version:
    """Return the tree's own version."""
    return Version.install(folder, __version__)


@pytest.fixture(scope="module")
def later(folder: Path) -> Version:
    """Return a later version with the same formats."""
    return Version.install(folder, LATER)


@pytest.fixture(scope="module")
def newer(folder: Path) -> Version:
    """Return a newer version that writes another cache format and knows another setting."""
    return Version.install(folder, NEWER, OTHER_FORMAT | NEW_KEY)


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a random model that computes at once."""
    path = write_model(tmp_path_factory.mktemp("models") / MODEL, sizes=ROOMY)
    (path / "chat_template.jinja").write_text(TEMPLATE)
    return path


@pytest.fixture
def client(tmp_path: Path, model: Path) -> Iterator[Client]:
    """Return a client of a home with the model, and no daemon yet; whichever runs at the end is stopped."""
    home = make_home(tmp_path, model)
    yield Client(home)
    home.stop()


def health(client: Client) -> dict[str, Any]:
    found: dict[str, Any] = client.call("GET", "/health")
    return found


def digests(folder: Path) -> dict[str, str]:
    """Return what every file below a folder holds."""
    files = (path for path in sorted(folder.rglob("*")) if path.is_file())
    return {str(path.relative_to(folder)): hashlib.sha256(path.read_bytes()).hexdigest() for path in files}


def test_an_idle_daemon_is_replaced_and_nothing_is_lost(client: Client, now: Version, later: Version) -> None:
    home = client.home.path
    now.well(home, "pin", MODEL)
    first = client.ask(PROMPT)
    assert (first.hot, first.cold) == (0, 0)
    await_sequence(client, len(PROMPT) + len(first.tokens) - 1)
    before, models = digests(client.cache / "kv-v1"), now.well(home, "ls", "--json")
    assert (health(client)["version"], health(client)["prefix"]) == (__version__, str(now.prefix))

    table = later.well(home, "ps")
    assert MODEL in table
    assert (health(client)["version"], health(client)["prefix"]) == (LATER, str(later.prefix))
    assert _names(later.well(home, "ls", "--json")) == _names(models)
    until(lambda: client.row["state"] == "idle")
    assert client.row["pinned"]
    again = client.ask(PROMPT)
    assert (again.cold, again.tokens) == (len(PROMPT) - 1, first.tokens)
    assert digests(client.cache / "kv-v1").items() >= before.items()

    now.well(home, "ps")
    assert health(client)["version"] == __version__
    until(lambda: client.row["state"] == "idle")
    assert client.ask(PROMPT).tokens == first.tokens
    assert int(client.call("GET", "/omlx/v1/status")["requests_total"]) == 3


def test_a_busy_daemon_is_named_and_finishes(client: Client, now: Version, later: Version) -> None:
    home = client.home.path
    now.well(home, "load", MODEL)
    with ThreadPoolExecutor(1) as thread, standing_still(client.row["pid"]):
        asking = thread.submit(client.ask, story(300), 600)
        until(lambda: client.row["state"] == "busy")
        done = later.run(home, "ps")
        assert done.returncode == 0
        assert done.stderr == (
            f"warning: the running daemon is omlx {__version__}, this is {LATER}; omlx restart  replaces it\n"
        )
        assert "busy" in done.stdout
        assert health(client)["version"] == __version__
    assert len(asking.result().tokens) == 600
    later.well(home, "ps")
    assert health(client)["version"] == LATER


def test_a_newer_cache_is_a_miss_and_no_damage(client: Client, now: Version, newer: Version) -> None:
    home = client.home.path
    newer.well(home, "load", MODEL)
    first = client.ask(PROMPT)
    bucket = client.cache / "kv-v2"
    until(lambda: len(list(bucket.rglob("*.safetensors"))) == -(-(len(PROMPT) + len(first.tokens) - 1) // 256))
    newer.well(home, "stop")
    written = digests(bucket)

    now.well(home, "load", MODEL)
    older = client.ask(PROMPT)
    assert (older.hot, older.cold, older.tokens) == (0, 0, first.tokens)
    assert client.figures()["cold"]["quarantined"] == 0
    now.well(home, "cache", "stats")
    now.well(home, "cache", "verify")
    now.well(home, "stop")
    assert digests(bucket) == written

    newer.well(home, "load", MODEL)
    assert client.ask(PROMPT).cold == len(PROMPT) - 1


def test_a_newer_setting_is_one_clear_line(client: Client, now: Version, newer: Version) -> None:
    home = client.home.path
    newer.well(home, "config", "set", "daemon.greeting", "hello")
    newer.well(home, "start")
    newer.well(home, "stop")
    for words in (("start",), ("ps",), ("config", "get")):
        done = now.run(home, *words)
        assert (done.returncode, done.stdout) == (2, ""), words
        error, hint = done.stderr.splitlines()
        assert error.startswith("error: ") and "daemon.greeting" in error
        assert hint.startswith("hint: ")
    assert 'greeting = "hello"' in (home / "config.toml").read_text()


def _names(listed: str) -> list[str]:
    return [row["name"] for row in json.loads(listed)["models"]]
