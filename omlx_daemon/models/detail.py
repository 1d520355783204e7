"""One model in detail: what `omlx show` prints."""

from __future__ import annotations

from importlib import metadata
from math import prod
from pathlib import Path

from omlx_cli.contract.api import ModelDetail, ModelInfo
from omlx_daemon.core.models import ModelSpec
from omlx_daemon.models import capabilities, fingerprint, folder, tensorfile

_PARTS = (".scales", ".biases")


def of(spec: ModelSpec, row: ModelInfo, kv_store_bits: int, namespace: str) -> ModelDetail:
    """Return the details of `spec`; a part that cannot be read is empty, its reason stands in the row's problem."""
    path = Path(spec.path)
    config = folder.look(path).config
    return ModelDetail(
        model=row,
        fingerprint=_fingerprint(path, Path(spec.adapter.path) if spec.adapter else None),
        namespace=namespace,
        origin=spec.origin,
        license=spec.license,
        parameters=_parameters(path, config),
        chat_template=capabilities.template(path),
        kv_store_bits=kv_store_bits,
        adapter=spec.adapter.path if spec.adapter else "",
        adapter_bytes=spec.adapter.size_bytes if spec.adapter else 0,
        config=config,
    )


def cache_layout() -> str:
    """Return the name of the code that lays out KV caches: mlx-lm and its version."""
    return f"mlx-lm {metadata.version('mlx-lm')}"


def _fingerprint(path: Path, adapter: Path | None) -> str:
    try:
        return fingerprint.fingerprint(path, cache_layout=cache_layout(), adapter=adapter)
    except (OSError, ValueError, tensorfile.BadTensorFile):
        return ""


def _parameters(path: Path, config: dict[str, object]) -> int:
    """Count the parameters: packed weights count for what they stand for, their scales for nothing."""
    tensors: dict[str, tensorfile.Entry] = {}
    for shard in folder.weight_files(path):
        try:
            tensors |= tensorfile.read(shard).tensors
        except (OSError, tensorfile.BadTensorFile):
            return 0
    return sum(_count(name, tensors, config) for name in tensors)


def _count(name: str, tensors: dict[str, tensorfile.Entry], config: dict[str, object]) -> int:
    module = name.rpartition(".")[0]
    scales = tensors.get(f"{module}.scales")
    if scales is None:
        return prod(tensors[name].shape)
    if name.endswith(_PARTS):
        return 0
    return prod(scales.shape) * _group_size(module, config) if name.endswith(".weight") else prod(tensors[name].shape)


def _group_size(module: str, config: dict[str, object]) -> int:
    setting = config.get("quantization")
    if not isinstance(setting, dict):
        return 1
    own = setting.get(module)
    size = (own if isinstance(own, dict) else setting).get("group_size", setting.get("group_size"))
    return size if isinstance(size, int) else 1
