"""A pipe or a folder in the place of a file holds no command up, and no daemon."""

from __future__ import annotations

import http.client
import json
import os
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from omlx_daemon.coldstore.layout import Layout
from tests.cachewire.driving import MODEL, Client, story
from tests.faults.place import Place

LIMIT_S = 60


def a_pipe(path: Path) -> None:
    path.unlink(missing_ok=True)
    path.parent.mkdir(parents=True, exist_ok=True)
    os.mkfifo(path)


def a_folder(path: Path) -> None:
    path.unlink(missing_ok=True)
    path.mkdir(parents=True)


FOREIGN: list[Callable[[Path], None]] = [a_pipe, a_folder]
foreign = pytest.mark.parametrize("put", FOREIGN)


def refused(place: Place, *words: str) -> str:
    """Return the one line with which a command is refused."""
    done = place.run(*words, timeout_s=LIMIT_S)
    assert done.returncode not in (0, -9), words
    assert "Traceback" not in done.stderr
    first, *hints = done.stderr.splitlines()
    assert first.startswith("error: ") and all(hint.startswith("hint: ") for hint in hints), done.stderr
    return first


@foreign
def test_settings_that_are_no_file(place: Place, put: Callable[[Path], None]) -> None:
    put(place.paths.config)
    for words in (("ls",), ("config", "get"), ("config", "set", "model.ttl", "1h"), ("start",), ("serve",)):
        assert f"{place.paths.config}: " in refused(place, *words), words
    done = place.run("doctor", "settings", "home", "daemon", timeout_s=LIMIT_S)
    assert done.returncode == 1 and f"settings  broken   cannot read {place.paths.config}: " in done.stdout


@foreign
def test_keys_that_are_no_file_let_nobody_in_over_tcp(place: Place, put: Callable[[Path], None]) -> None:
    put(place.paths.keys)
    assert str(place.paths.keys) in refused(place, "key", "ls")
    done = place.run("doctor", "settings", timeout_s=LIMIT_S)
    assert done.returncode == 1 and str(place.paths.keys) in done.stdout
    assert place.run("ls", timeout_s=LIMIT_S).returncode == 0, "the socket needs no keys"
    connection = http.client.HTTPConnection(place.base_url.removeprefix("http://"), timeout=LIMIT_S)
    connection.request("GET", "/v1/models")
    with connection.getresponse() as response:
        assert response.status >= 400
    connection.close()


@foreign
def test_a_models_files_that_are_none(place: Place, client: Client, put: Callable[[Path], None]) -> None:
    folder = place.paths.models / MODEL
    for name in ("config.json", "model.safetensors", "tokenizer.json", "tokenizer_config.json", "omlx.json"):
        shutil.copytree(folder, place.paths.models / name.replace(".", "-"))
        put(place.paths.models / name.replace(".", "-") / name)
    put(place.path / "catalog.toml")
    listed = place.run("ls", "--json", timeout_s=LIMIT_S)
    assert listed.returncode == 0, listed.stderr
    rows = {row["name"]: row["problem"] for row in json.loads(listed.stdout)["models"]}
    assert rows[MODEL] == "" and rows["config-json"] and len(rows) == 6
    if put is a_pipe:
        assert {name for name, problem in rows.items() if problem.endswith(" is no file")} >= {
            "model-safetensors", "tokenizer-json", "tokenizer_config-json",
        }  # fmt: skip
    for name in ("config-json", "model-safetensors", "tokenizer-json"):
        assert name in refused(place, "load", name)
    assert client.ask(story(20)).computed == 20


OWN = ("state", "daemon_info", "daemon_lock", "start_lock", "daemon_log", "boot_log", "model_names", "cache_lock")


@foreign
@pytest.mark.parametrize("name", OWN)
def test_a_daemon_without_one_of_its_files_serves_or_says_why(
    place: Place, client: Client, put: Callable[[Path], None], name: str
) -> None:
    path = Layout(place.paths.cache).lock if name == "cache_lock" else getattr(place.paths, name)
    put(path)
    try:
        for words in (("ps",), ("ls",), ("logs",), ("status",), ("doctor", "daemon", "cache")):
            done = place.run(*words, timeout_s=LIMIT_S)
            assert done.returncode in (0, 1, 3, 4) and "Traceback" not in done.stderr, (words, done.stderr)
            if done.returncode and words[0] in ("ps", "ls"):
                assert str(path) in done.stderr.splitlines()[0], done.stderr
        if place.run("ls", timeout_s=LIMIT_S).returncode == 0:
            assert client.ask(story(20)).computed == 20
            assert place.run("stop", timeout_s=LIMIT_S).returncode == 0
    finally:
        path.rmdir() if path.is_dir() else path.unlink(missing_ok=True)
    assert place.run("ls", timeout_s=LIMIT_S).returncode == 0, "it is well as soon as that is out of the way"
