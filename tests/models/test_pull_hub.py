"""Pulls from the hub: the real huggingface_hub client in a child process against a stand-in over HTTP."""

from __future__ import annotations

import json
import os
import signal
import threading
from pathlib import Path

import pytest

from omlx_cli.contract.api import PullEvent, PullProgress
from omlx_cli.contract.errors import Code
from omlx_cli.contract.paths import Paths
from omlx_cli.contract.settings import Settings
from omlx_daemon.models.registry import Registry
from tests.models.conftest import Fetch, child, done, events, failed, read
from tests.models.folders import model_files, weights
from tests.models.hub_standin import Hub

ID = "some-org/Tiny-4bit"
LARGE_BYTES = 6 << 20


@pytest.fixture
def large(hub: Hub) -> bytes:
    """Publish a model whose weights are fetched in ranges; return them."""
    hub.repositories[ID] = model_files(LARGE_BYTES)
    return hub.repositories[ID]["model.safetensors"]


def snapshot(cache: Path, hub: Hub) -> Path:
    return cache / ("models--" + ID.replace("/", "--")) / "snapshots" / hub.commit


def test_a_model_lands_in_the_shared_cache_and_in_the_registry(
    hub: Hub, large: bytes, fetch: Fetch, paths: Paths, hub_cache: Path
) -> None:
    found = fetch(ID)
    assert done(found).changed
    assert done(found).model.name == ID
    assert (snapshot(hub_cache, hub) / "model.safetensors").read_bytes() == large
    assert Registry(paths, Settings()).resolve(ID.lower()).path == str(snapshot(hub_cache, hub))
    assert _most_bytes(found) == (sum(map(len, hub.repositories[ID].values())),) * 2


def _most_bytes(found: list[PullEvent]) -> tuple[int, int]:
    steps = [event for event in found if isinstance(event, PullProgress) and event.step == "download"]
    return max((event.done_bytes, event.total_bytes) for event in steps)


def test_a_second_pull_finds_everything_there(hub: Hub, large: bytes, fetch: Fetch) -> None:
    fetch(ID)
    again = done(fetch(ID))
    assert not again.changed
    assert len(hub.downloads) == 1


def test_without_the_hub_a_model_that_is_there_is_good_enough(
    hub: Hub, large: bytes, fetch: Fetch, monkeypatch: pytest.MonkeyPatch
) -> None:
    fetch(ID)
    monkeypatch.setenv("HF_ENDPOINT", "http://127.0.0.1:9")
    assert not done(fetch(ID)).changed
    error = failed(fetch("some-org/Other")).error
    assert error.code is Code.PULL_FAILED
    assert "cannot be reached" in error.message


def test_a_newer_commit_is_fetched(hub: Hub, large: bytes, fetch: Fetch, hub_cache: Path) -> None:
    fetch(ID)
    hub.commit = "f" * 40
    hub.repositories[ID] = model_files(8192, max_position_embeddings=77)
    assert done(fetch(ID)).changed
    assert done(fetch(ID)).model.context_tokens == 77


def test_a_cut_connection_goes_on_where_it_broke(hub: Hub, large: bytes, fetch: Fetch, hub_cache: Path) -> None:
    hub.cut_after_bytes = [2 << 20]
    assert done(fetch(ID)).changed
    assert [range_ for _, range_ in hub.downloads] == ["", f"bytes={2 << 20}-"]
    assert (snapshot(hub_cache, hub) / "model.safetensors").read_bytes() == large


def test_a_killed_pull_leaves_no_half_model_and_the_next_one_resumes(
    hub: Hub, large: bytes, fetch: Fetch, paths: Paths, hub_cache: Path
) -> None:
    hub.gate = threading.Event()
    with child(paths, ID) as process:
        assert hub.half_sent.wait(60)
        _wait_for_part(hub_cache)
        os.killpg(process.pid, signal.SIGKILL)
    assert not [spec for spec in Registry(paths, Settings()).scan() if not spec.problem]
    hub.gate.set()
    assert done(fetch(ID)).changed
    resumed = hub.downloads[-1][1]
    assert resumed.startswith("bytes=")
    assert int(resumed[6:-1]) > 0
    assert (snapshot(hub_cache, hub) / "model.safetensors").read_bytes() == large


def _wait_for_part(cache: Path) -> None:
    pause = threading.Event()
    while not any(path.stat().st_size for path in cache.rglob("*.omlx.incomplete")):
        pause.wait(0.01)


def test_a_pull_dies_when_its_parent_closes_its_input(hub: Hub, large: bytes, paths: Paths) -> None:
    hub.gate = threading.Event()
    with child(paths, ID) as process:
        assert hub.half_sent.wait(60)
        assert process.stdin is not None
        process.stdin.close()
        assert process.wait(60) == -signal.SIGKILL


def test_two_pulls_at_once_make_one_download(hub: Hub, large: bytes, paths: Paths) -> None:
    hub.gate = threading.Event()
    with child(paths, ID) as first:
        assert hub.half_sent.wait(60)
        with child(paths, ID) as second:
            assert second.stdout is not None
            waiting = second.stdout.readline()
            assert b"another pull" in waiting
            hub.gate.set()
            results = [done(events(read(process))).changed for process in (first, second)]
    assert results == [True, False]
    assert len(hub.downloads) == 1


def test_content_with_another_checksum_is_refused_and_deleted(
    hub: Hub, large: bytes, fetch: Fetch, hub_cache: Path
) -> None:
    hub.lie["model.safetensors"] = large[:-1] + bytes([large[-1] ^ 1])
    error = failed(fetch(ID)).error
    assert "checksum" in error.message
    assert not list(hub_cache.rglob("*.omlx.incomplete"))
    hub.lie.clear()
    assert done(fetch(ID)).changed


def test_weights_whose_header_lies_are_refused(hub: Hub, fetch: Fetch) -> None:
    hub.repositories[ID] = model_files() | {"model.safetensors": weights()[:-100]}
    error = failed(fetch(ID)).error
    assert error.code is Code.UNSUPPORTED_MODEL
    assert "cut short" in error.message


def test_code_pickles_and_nested_files_stay_behind(hub: Hub, fetch: Fetch, hub_cache: Path) -> None:
    extra = {
        "modeling.py": b"boom",
        "pytorch_model.bin": b"boom",
        "README.md": b"x",
        "original/model.safetensors": b"x",
    }
    hub.repositories[ID] = model_files() | extra
    assert done(fetch(ID)).changed
    kept = {path.name for path in hub_cache.rglob("*") if "snapshots" in path.parts and not path.is_dir()}
    assert kept == set(model_files())


@pytest.mark.parametrize(
    ("files", "named"),
    [
        (model_files(auto_map={"AutoModel": "modeling.Model"}), "auto_map"),
        (model_files(model_file="model.py"), "model_file"),
        (model_files(model_type="telepathy"), "telepathy"),
        ({"config.json": b"[1]", "model.safetensors": b""}, "not a JSON object"),
        ({"config.json": b"{}", "pytorch_model.bin": b"x"}, "pickles"),
        ({"model-q4.gguf": b"GGUF"}, "GGUF"),
        ({"README.md": b"x"}, "no model"),
        (model_files() | {"../../evil.json": b"x"}, "outside"),
        (
            model_files()
            | {"model.safetensors.index.json": json.dumps({"weight_map": {"a": "model-2.safetensors"}}).encode()},
            "model-2.safetensors",
        ),
    ],
)
def test_what_cannot_be_used_is_refused_before_it_is_fetched(
    files: dict[str, bytes], named: str, hub: Hub, fetch: Fetch, tmp_path: Path
) -> None:
    hub.repositories[ID] = files
    error = failed(fetch(ID)).error
    assert error.code is Code.UNSUPPORTED_MODEL
    assert named in error.message
    assert not list(tmp_path.rglob("evil.json"))


def test_unknown_gated_and_broken_repositories_are_told_apart(hub: Hub, fetch: Fetch) -> None:
    assert failed(fetch("some-org/missing")).error.code is Code.MODEL_NOT_FOUND
    hub.repositories[ID] = model_files()
    hub.gated.add(ID)
    assert "gated" in failed(fetch(ID)).error.message


@pytest.mark.parametrize(
    ("model", "code"),
    [
        ("smolm2", Code.MODEL_NOT_FOUND),
        ("a/b/c", Code.MODEL_NOT_FOUND),
        ("", Code.MODEL_NOT_FOUND),
        ("./x", Code.INVALID_REQUEST),
    ],
)
def test_a_word_that_is_no_source_is_refused(model: str, code: Code, fetch: Fetch) -> None:
    error = failed(fetch(model)).error
    assert error.code is code
    assert model != "smolm2" or "smollm2" in error.hint


def test_a_short_name_stands_for_its_hub_id(hub: Hub, fetch: Fetch, paths: Paths) -> None:
    hub.repositories["mlx-community/Qwen3-0.6B-4bit"] = model_files()
    model = done(fetch("qwen3:0.6b")).model
    assert (model.name, model.aliases) == ("mlx-community/Qwen3-0.6B-4bit", ("qwen3:0.6b",))
    assert Registry(paths, Settings()).resolve("QWEN3:0.6B").name == model.name
