"""Adapters of the settings: found, shown, estimated, told apart, and refused in a line."""

from __future__ import annotations

import asyncio
import json
import os
import shutil
from collections.abc import Callable
from pathlib import Path

import msgspec
import pytest

from omlx_cli.contract.errors import OmlxError
from omlx_cli.contract.model_options import ModelOptions
from omlx_cli.contract.paths import Paths
from omlx_cli.contract.settings import Settings
from omlx_daemon.core.adapters import Adapter
from omlx_daemon.core.models import ModelSpec
from omlx_daemon.core.options import Options
from omlx_daemon.models.adapters import Adapters, look
from omlx_daemon.models.namespaces import Namespaces
from omlx_daemon.models.puller import Puller
from omlx_daemon.models.registry import Registry
from omlx_daemon.models.service import ModelService
from omlx_daemon.pool.memory.system import SystemMemory
from tests.models.folders import tensor_bytes, write_model

DETAILS = {"rank": 4, "scale": 2.0, "dropout": 0.0}
CONFIG = {"fine_tune_type": "lora", "num_layers": 2, "lora_parameters": DETAILS}
TENSORS = {"layer.lora_a": ("F16", [8, 4], bytes(64)), "layer.lora_b": ("F16", [4, 8], bytes(range(64)))}


def write_adapter(folder: Path, fill: bytes = b"") -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "adapter_config.json").write_text(json.dumps(CONFIG))
    tensors = {**TENSORS, "other.lora_a": ("F16", [8, 4], fill * 64)} if fill else TENSORS
    (folder / "adapters.safetensors").write_bytes(tensor_bytes(tensors))
    return folder


def options_of(adapter: str, name: str = "one") -> Options:
    return Options({name: ModelOptions(adapter=adapter)})


def resolved(paths: Paths, options: Options) -> ModelSpec:
    registry = Registry(paths, Settings(), options)
    (listed,) = registry.scan()
    assert registry.resolve("one") == listed
    return listed


def without_file(name: str) -> Callable[[Path], None]:
    return lambda folder: (folder / name).unlink()


def with_config(**changes: object) -> Callable[[Path], None]:
    config = {key: value for key, value in {**CONFIG, **changes}.items() if value is not None}

    def harm(folder: Path) -> None:
        (folder / "adapter_config.json").write_text(json.dumps(config))

    return harm


def with_weights(content: bytes) -> Callable[[Path], None]:
    def harm(folder: Path) -> None:
        (folder / "adapters.safetensors").write_bytes(content)

    return harm


def a_file(folder: Path) -> None:
    shutil.rmtree(folder)
    folder.write_text("")


def half_written(folder: Path) -> None:
    (folder / "adapter_config.json").write_text("{")


def a_pipe(folder: Path) -> None:
    (folder / "adapters.safetensors").unlink()
    os.mkfifo(folder / "adapters.safetensors")


def of_another_trainer(folder: Path) -> None:
    (folder / "adapters.safetensors").rename(folder / "adapter_model.safetensors")


BAD: list[tuple[Callable[[Path], None], str]] = [
    (shutil.rmtree, "there is no such folder"),
    (a_file, "it is no folder"),
    (without_file("adapter_config.json"), "adapter_config.json is missing"),
    (without_file("adapters.safetensors"), "adapters.safetensors is missing"),
    (of_another_trainer, "adapter_model.safetensors is of another form"),
    (a_pipe, "adapters.safetensors is no file"),
    (half_written, "adapter_config.json is not valid JSON"),
    (with_config(num_layers=None), "no num_layers"),
    (with_config(lora_parameters=None), "no lora_parameters"),
    (with_config(lora_parameters={"rank": 8, "alpha": 16, "dropout": 0}), "no scale in lora_parameters"),
    (with_config(fine_tune_type="ia3"), "'ia3', which is none of lora, dora, full"),
    (with_weights(b"short"), "adapters.safetensors is too short"),
    (with_weights(tensor_bytes({})), "adapters.safetensors is empty"),
    (with_weights(tensor_bytes({"layer.lora_b": TENSORS["layer.lora_b"]})), "layer.lora_b and no lora_a to it"),
]


@pytest.mark.parametrize(("harm", "said"), BAD, ids=lambda value: value.replace(" ", "_") if type(value) is str else "")
def test_one_that_cannot_be_used_is_its_models_problem_alone(
    paths: Paths, tmp_path: Path, harm: Callable[[Path], None], said: str
) -> None:
    folder = write_adapter(tmp_path / "adapter")
    write_model(paths.models / "one")
    write_model(paths.models / "two")
    registry = Registry(paths, Settings(), options_of(str(folder)))
    assert [spec.problem for spec in registry.scan()] == ["", ""]
    harm(folder)
    one, two = registry.scan()
    assert said in one.problem and str(folder) in one.problem and "\n" not in one.problem
    assert registry.resolve("one").problem == one.problem
    assert registry.unseen == f"one: {one.problem}"
    assert "models.one.adapter" in one.remedy
    assert (two.problem, two.remedy, two.adapter) == ("", "", None)
    shutil.rmtree(folder, ignore_errors=True)
    folder.unlink(missing_ok=True)
    write_adapter(folder)
    assert registry.resolve("one").problem == "", "it is looked at again each time"


def test_the_remedy_names_the_setting_as_it_stands(paths: Paths, tmp_path: Path) -> None:
    write_model(paths.models / "one")
    options = Options({"Nick": ModelOptions(adapter=str(tmp_path / "none")), "one-b": ModelOptions()})
    registry = Registry(paths, Settings(), options)
    (spec,) = registry.scan()
    nicked = msgspec.structs.replace(spec, aliases=("nick",))
    assert (options.key(spec), options.key(nicked)) == ("one", "Nick")
    assert "config set models.Nick.adapter ''" in Adapters(paths.home, options).put_on(nicked).remedy


def test_where_it_lies(paths: Paths, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write_model(paths.models / "one")
    monkeypatch.setenv("HOME", str(tmp_path / "user"))
    for text, folder in (
        ("adapters/mine", paths.home / "adapters" / "mine"),
        ("~/mine", tmp_path / "user" / "mine"),
        (str(tmp_path / "there"), tmp_path / "there"),
    ):
        write_adapter(folder)
        spec = resolved(paths, options_of(text))
        assert spec.adapter is not None and not spec.problem
        assert (spec.adapter.path, spec.adapter.size_bytes, spec.adapter.values) == (str(folder), 128, 64)
    assert "no such folder" in resolved(paths, options_of("~nobody-here/mine")).problem
    assert resolved(paths, options_of("")).adapter is None


def test_another_setting_counts_at_the_next_look(paths: Paths, tmp_path: Path) -> None:
    write_model(paths.models / "one")
    options = options_of(str(write_adapter(tmp_path / "a")))
    registry = Registry(paths, Settings(), options)
    registry.scan()
    options.replace({"ONE": ModelOptions(adapter=str(write_adapter(tmp_path / "b")))})
    found = registry.resolve("one").adapter
    assert found is not None and found.path == str(tmp_path / "b")
    options.replace({})
    assert registry.resolve("one").adapter is None


def test_every_adapter_and_every_change_of_one_has_a_namespace(paths: Paths, tmp_path: Path) -> None:
    write_model(paths.models / "one")
    folder = write_adapter(tmp_path / "a")
    namespaces = Namespaces(Options())

    def namespace(adapter: str) -> str:
        return namespaces.of(resolved(paths, options_of(adapter)))

    plain, first = namespace(""), namespace(str(folder))
    moved = shutil.copytree(folder, tmp_path / "b")
    assert namespace(str(moved)) == first, "what it holds counts, not where it lies"
    (folder / "adapter_config.json").write_text(json.dumps({**CONFIG, "lora_parameters": {**DETAILS, "scale": 3.0}}))
    scaled = namespace(str(folder))
    write_adapter(folder, fill=b"x")
    trained = namespace(str(folder))
    assert len({plain, first, scaled, trained}) == 4 and "" not in (plain, first, scaled, trained)
    assert namespace("") == plain and namespace(str(moved)) == first


def test_a_namespace_tells_of_its_adapter(paths: Paths, tmp_path: Path) -> None:
    write_model(paths.models / "one")
    with_it = resolved(paths, options_of(str(write_adapter(tmp_path / "a"))))
    namespaces = Namespaces(Options())
    told = namespaces.details(with_it)
    plain = namespaces.details(msgspec.structs.replace(with_it, adapter=None))
    assert {name for name in told if told[name] != plain[name]} == {"adapter"}
    assert plain["adapter"] == "none"


def test_show_names_it(paths: Paths, tmp_path: Path) -> None:
    write_model(paths.models / "one")
    folder = write_adapter(tmp_path / "a")
    settings = Settings(models={"one": ModelOptions(adapter=str(folder))})
    namespaces = Namespaces(Options(settings.models))

    def shown(settings: Settings) -> tuple[str, int, str, str]:
        registry = Registry(paths, settings)
        service = ModelService(registry, Puller(paths, settings), tuple, namespaces.bits, namespaces.of)
        found = asyncio.run(service.show("one"))
        return found.adapter, found.adapter_bytes, found.fingerprint, found.namespace

    with_it, plain = shown(settings), shown(Settings())
    assert (with_it[:2], plain[:2]) == ((str(folder), 128), ("", 0))
    assert with_it[2] != plain[2] and with_it[3] != plain[3]


def test_the_estimate_counts_it() -> None:
    spec = ModelSpec(name="a", path="", source="omlx", weights_bytes=900, quantization="4-bit")
    with_it = msgspec.structs.replace(spec, adapter=Adapter(path="/a", size_bytes=200, values=100))
    memory = SystemMemory("cpu")
    plain, found = memory.estimate(spec), memory.estimate(with_it)
    assert found.least.total_bytes - plain.least.total_bytes == 200
    assert found.best.total_bytes - plain.best.total_bytes == pytest.approx(1.15 * 400, abs=1)
    assert [term.name for term in found.least.terms] == ["weights", "adapter", "process"]
    cuda = SystemMemory("cuda")
    more_bytes = cuda.estimate(with_it).least.device_bytes - cuda.estimate(spec).least.device_bytes
    assert more_bytes == 200


def test_the_estimate_does_not_count_weights_that_take_the_place_of_others(tmp_path: Path) -> None:
    found = look(write_adapter(tmp_path / "a"))[0]
    with_config(fine_tune_type="full")(tmp_path / "a")
    full = look(tmp_path / "a")[0]
    assert (found.replaces, full.replaces, full.size_bytes) == (False, True, 128)
    spec = ModelSpec(name="a", path="", source="omlx", weights_bytes=900, quantization="4-bit")
    for memory in (SystemMemory("cpu"), SystemMemory("cuda")):
        assert memory.estimate(msgspec.structs.replace(spec, adapter=full)) == memory.estimate(spec)


def test_a_look_never_raises(tmp_path: Path) -> None:
    folder = write_adapter(tmp_path / "a")
    (folder / "adapter_config.json").write_bytes(b"\xff\xfe\x00")
    assert look(folder)[1] == "adapter_config.json is not valid JSON"
    with pytest.raises(OmlxError):
        Registry(Paths(tmp_path / "home"), Settings(), options_of(str(folder))).resolve("unknown")
