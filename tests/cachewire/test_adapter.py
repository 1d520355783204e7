"""A model with an adapter, through the real daemon: its own answers, its own cache, and its refusals."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import mlx.core as mx
import pytest
from mlx_lm import load
from mlx_lm.generate import generate_step

from omlx_cli.contract import routes
from tests.cachewire.driving import ANSWER_TOKENS, MODEL, Client, story
from tests.worker.adapters import write_adapter

PROMPT = story(300)
STORED = 300 + ANSWER_TOKENS


@pytest.fixture
def adapter(client: Client, tiny_path: Path) -> Path:
    """Return an adapter in the home that the settings name, relative to the home."""
    folder = write_adapter(client.home.path / "adapters" / "mine", tiny_path)
    set_adapter(client, "adapters/mine")
    return folder


def set_adapter(client: Client, value: str) -> None:
    done = client.home.run("config", "set", f"models.{MODEL}.adapter", value)
    assert done.returncode == 0, done.stderr


def reload_model(client: Client) -> None:
    assert client.home.run("unload", MODEL).returncode == 0
    client.load()


def shown(client: Client) -> dict[str, Any]:
    done = client.home.run("show", MODEL, "--json")
    assert done.returncode == 0, done.stderr
    found: dict[str, Any] = json.loads(done.stdout)
    return found


def of_mlx_lm(model: Path, adapter: Path) -> list[str]:
    """Return the tokens that mlx-lm answers with greedily."""
    found: Any = load(str(model), adapter_path=str(adapter))
    subject, tokenizer = found[0], found[1]
    steps = generate_step(mx.array(PROMPT), subject, max_tokens=ANSWER_TOKENS)
    return [tokenizer.decode([int(token)]) for token, _ in steps]


def test_it_answers_as_mlx_lm_does_and_keeps_a_cache_of_its_own(client: Client, adapter: Path, tiny_path: Path) -> None:
    client.load()
    first = client.ask(PROMPT)
    assert (first.tokens, first.computed) == (of_mlx_lm(tiny_path, adapter), 300)
    client.await_files(STORED)
    with_it = shown(client)
    assert with_it["adapter"] == str(adapter)
    assert with_it["adapter_bytes"] == (adapter / "adapters.safetensors").stat().st_size - header_bytes(adapter)
    assert f"{adapter} (" in client.home.run("show", MODEL).stdout

    client.restart()
    again = client.ask(PROMPT)
    assert (again.tokens, again.computed, again.cold) == (first.tokens, 1, 299)

    set_adapter(client, "")
    assert client.ask(PROMPT).tokens == first.tokens, "a loaded model stays as it is"
    reload_model(client)
    plain = client.ask(PROMPT)
    assert plain.tokens != first.tokens and plain.computed == 300
    client.await_files(STORED, STORED)
    assert shown(client)["namespace"] != with_it["namespace"]

    set_adapter(client, str(adapter))
    reload_model(client)
    back = client.ask(PROMPT)
    assert (back.tokens, back.computed) == (first.tokens, 1)


def test_a_changed_adapter_is_a_miss(client: Client, adapter: Path, tiny_path: Path) -> None:
    client.load()
    before = client.ask(PROMPT)
    client.await_files(STORED)
    write_adapter(adapter, tiny_path, seed=2)
    reload_model(client)
    after = client.ask(PROMPT)
    assert after.computed == 300
    assert after.tokens == of_mlx_lm(tiny_path, adapter) != before.tokens
    client.await_files(STORED, STORED)
    rows = client.call("GET", f"{routes.CACHE_LIST}?incompatible=true")["namespaces"]
    assert [row["model"] for row in rows] == [MODEL]
    write_adapter(adapter, tiny_path, seed=1)
    reload_model(client)
    assert client.ask(PROMPT).computed == 1, "the old one, byte for byte, finds its blocks again"


def test_one_that_is_missing_refuses_its_model_alone(client: Client, adapter: Path, tiny_path: Path) -> None:
    other = client.home.path / "models" / "other"
    other.mkdir()
    for file in tiny_path.iterdir():
        (other / file.name).hardlink_to(file)
    client.load()
    client.ask(PROMPT)
    client.await_files(STORED)
    assert client.home.run("unload", MODEL).returncode == 0
    moved = adapter.rename(adapter.with_name("elsewhere"))

    said = f"{MODEL} cannot be loaded: its adapter {adapter} cannot be used: there is no such folder"
    for words in (("load", MODEL), ("run", MODEL, "hello")):
        done = client.home.run(*words)
        assert (done.returncode, done.stdout) == (1, ""), words
        assert done.stderr.startswith(f"error: {said}") and "Traceback" not in done.stderr
        assert f"omlx config set models.{MODEL}.adapter ''" in done.stderr
    body = {"model": MODEL, "prompt": "hello", "max_tokens": 1}
    with client.send("POST", "/v1/completions", body) as response:
        error = json.loads(response.read())["error"]
        assert (response.status, error["code"]) == (400, "unsupported_model")
        assert error["message"].startswith(said)
    with client.send("POST", "/v1/completions", {**body, "model": "other"}) as response:
        assert response.status == 200
    assert shown(client)["model"]["problem"] in said
    refused = client.home.run("cache", "prune", "--incompatible", "--yes")
    assert refused.returncode == 1 and str(adapter) in refused.stderr

    moved.rename(adapter)
    client.load()
    assert client.ask(PROMPT).computed == 1, "nothing was lost meanwhile"


def test_one_that_does_not_fit_refuses_its_model_in_a_line(client: Client, adapter: Path, tiny_path: Path) -> None:
    weights: Any = mx.load(str(adapter / "adapters.safetensors"))
    mx.save_safetensors(str(adapter / "adapters.safetensors"), {f"x.{name}": one for name, one in weights.items()})
    for words in (("load", MODEL), ("run", MODEL, "hello")):
        done = client.home.run(*words)
        assert done.returncode == 1 and "Traceback" not in done.stderr
        assert done.stderr.startswith(f"error: {MODEL} cannot be loaded: its adapter {adapter} does not fit it: x.")
    with client.send("POST", "/v1/completions", {"model": MODEL, "prompt": "hello"}) as response:
        assert (response.status, json.loads(response.read())["error"]["code"]) == (500, "load_failed")
    write_adapter(adapter, tiny_path)
    client.load()


def test_the_estimate_names_it(client: Client, adapter: Path) -> None:
    done = client.home.run("load", MODEL, "--estimate-only", "--json")
    terms = {term["name"]: term["size_bytes"] for term in json.loads(done.stdout)["need"]}
    assert terms["adapter"] > 0


def header_bytes(adapter: Path) -> int:
    content = (adapter / "adapters.safetensors").read_bytes()
    return 8 + int.from_bytes(content[:8], "little")
