"""The adapters that `[models."NAME"]` names: what a look at their folders tells, without reading weights."""

from __future__ import annotations

import stat
from collections.abc import Collection
from math import prod
from pathlib import Path

import msgspec

from omlx_daemon.core.adapters import CONFIG, FILES, WEIGHTS, Adapter, stamp
from omlx_daemon.core.models import ModelSpec
from omlx_daemon.core.options import Options
from omlx_daemon.models import folder, tensorfile

_FULL = "full"
_KINDS = ("lora", "dora", _FULL)
_NUMBERS = ("rank", "scale", "dropout")
_FOREIGN = "adapter_model.safetensors"
"""How another trainer calls its weights, which mlx-lm does not read."""
_REMEDY = "mend it, or  omlx config set models.{}.adapter ''  loads the model without"


class Adapters:
    """Finds the adapters of models; what has not changed is not read again. Reads files: call it on a thread."""

    def __init__(self, home: Path, options: Options) -> None:
        self._home = home
        self._options = options
        self._known: dict[Path, tuple[Adapter, str]] = {}

    def put_on(self, spec: ModelSpec) -> ModelSpec:
        """Return a model with the adapter of its settings; one that cannot be used is the model's problem."""
        text = self._options.of(spec).adapter
        if not text:
            return spec
        try:
            path = self._home / Path(text).expanduser()
        except RuntimeError:
            path = self._home / text
        found, problem = self._look(path)
        if not problem or spec.problem:
            return msgspec.structs.replace(spec, adapter=found)
        remedy = _REMEDY.format(self._options.key(spec))
        return msgspec.structs.replace(
            spec, adapter=found, problem=f"its adapter {path} cannot be used: {problem}", remedy=remedy
        )

    def _look(self, path: Path) -> tuple[Adapter, str]:
        known = self._known.get(path)
        try:
            if known is None or not known[0].stamp or known[0].stamp != stamp(path):
                known = self._known[path] = look(path)
        except OSError:
            known = look(path)
        return known


def look(path: Path) -> tuple[Adapter, str]:
    """Return what is in the folder at `path`, and why it cannot be used, or nothing. Never raises."""
    try:
        before = _files(path)
        config = folder.read_json(path / CONFIG)
        tensors = tensorfile.read(path / WEIGHTS).tensors
        problem = _config_problem(config) or _tensors_problem(tensors)
    except (ValueError, tensorfile.BadTensorFile) as error:
        return Adapter(path=str(path)), str(error)
    except OSError as error:
        return Adapter(path=str(path)), f"it cannot be read: {error.strerror or error}"
    size_bytes = sum(last - first for first, last in (entry.data_offsets for entry in tensors.values()))
    values = sum(prod(entry.shape) for entry in tensors.values())
    replaces = config.get("fine_tune_type") == _FULL
    return Adapter(path=str(path), size_bytes=size_bytes, values=values, replaces=replaces, stamp=before), problem


def _files(path: Path) -> str:
    """Return the stamp of a folder that has all files. Raises ValueError with a text for people, or OSError."""
    if not path.is_dir():
        raise ValueError("it is no folder" if path.exists() else "there is no such folder")
    for name in FILES:
        file = path / name
        if not file.exists():
            foreign = f"; {_FOREIGN} is of another form, which mlx-lm does not read"
            raise ValueError(f"{name} is missing" + (foreign if (path / _FOREIGN).exists() else ""))
        if not stat.S_ISREG(file.stat().st_mode):
            raise ValueError(f"{name} is no file")
    return stamp(path)


def _config_problem(config: dict[str, object]) -> str:
    kind, layers, details = (config.get(key) for key in ("fine_tune_type", "num_layers", "lora_parameters"))
    if (kind or _KINDS[0]) not in _KINDS:
        return f"{CONFIG} has the fine_tune_type {kind!r}, which is none of {', '.join(_KINDS)}"
    if kind == _FULL:
        return ""
    if not isinstance(layers, int) or isinstance(layers, bool):
        return f"{CONFIG} has no num_layers"
    if not isinstance(details, dict):
        return f"{CONFIG} has no lora_parameters"
    missing = [name for name in _NUMBERS if not isinstance(details.get(name), int | float)]
    return f"{CONFIG} has no {missing[0]} in lora_parameters" if missing else ""


def _tensors_problem(names: Collection[str]) -> str:
    if not names:
        return f"{WEIGHTS} is empty"
    for name in names:
        # mlx-lm would fill in what is missing at random, and the model would be another one at every load.
        stem, _, leaf = name.rpartition(".")
        if leaf == "lora_b" and f"{stem}.lora_a" not in names:
            return f"{WEIGHTS} has {name} and no lora_a to it"
    return ""
