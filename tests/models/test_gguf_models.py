"""An imported GGUF model computes what the model its weights came from computes."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import mlx.core as mx
import numpy as np
import numpy.typing as npt
import pytest
from gguf import GGMLQuantizationType, quants
from mlx_lm.utils import load_model

from omlx_daemon.worker.backend.gguf.convert import convert
from tests.models.gguf_files import CONFIGS, File, model_of, stored, weights_of

Kind = GGMLQuantizationType
PROMPT = mx.array([[5, 17, 99, 256, 3, 44, 91, 180, 7, 12, 201, 33]])
MATRIX_KINDS = [Kind.F16, Kind.BF16, Kind.Q4_0, Kind.Q4_1, Kind.Q8_0, Kind.Q5_0, Kind.Q5_1]


def converted(file: File, tmp_path: Path, **options: Any) -> Path:
    target = tmp_path / "model"
    target.mkdir()
    convert(file.write(tmp_path / "model.gguf"), target, lambda done, total: None, **options)
    return target


def logits(model: Any) -> npt.NDArray[np.float32]:
    return np.array(model(PROMPT).astype(mx.float32))


@pytest.mark.parametrize("architecture", sorted(CONFIGS))
def test_an_imported_model_has_the_logits_of_its_source(architecture: str, tmp_path: Path) -> None:
    model = model_of(architecture)
    loaded, _ = load_model(converted(File(architecture, model), tmp_path))
    np.testing.assert_allclose(logits(loaded), logits(model), rtol=1e-4, atol=1e-3)


@pytest.mark.parametrize("architecture", ["llama", "qwen2", "qwen3"])
def test_a_model_with_an_output_matrix_of_its_own_keeps_it(architecture: str, tmp_path: Path) -> None:
    model = model_of(architecture, tie_word_embeddings=False)
    loaded, config = load_model(converted(File(architecture, model), tmp_path))
    assert config["tie_word_embeddings"] is False
    np.testing.assert_allclose(logits(loaded), logits(model), rtol=1e-4, atol=1e-3)


def test_llama_biases_are_reordered_with_their_rows(tmp_path: Path) -> None:
    model = model_of("llama", attention_bias=True)
    loaded, config = load_model(converted(File("llama", model), tmp_path))
    assert config["attention_bias"] is True
    np.testing.assert_allclose(logits(loaded), logits(model), rtol=1e-4, atol=1e-3)


def test_weights_in_shards_load_as_one_model(tmp_path: Path) -> None:
    model = model_of("qwen3")
    folder = converted(File("qwen3", model), tmp_path, shard_bytes=100_000)
    index = json.loads((folder / "model.safetensors.index.json").read_text())
    assert set(index["weight_map"].values()) == {path.name for path in folder.glob("model-*.safetensors")}
    assert len(set(index["weight_map"].values())) > 1
    loaded, _ = load_model(folder)
    np.testing.assert_allclose(logits(loaded), logits(model), rtol=1e-4, atol=1e-3)


@pytest.mark.parametrize("kind", MATRIX_KINDS, ids=lambda kind: kind.name)
def test_every_weight_keeps_its_value(kind: Kind, tmp_path: Path) -> None:
    file = File("llama", model_of("llama"), kind)
    _check_values(file, converted(file, tmp_path))


@pytest.mark.parametrize("kind", [Kind.Q4_K, Kind.Q2_K, Kind.Q3_K, Kind.Q5_K, Kind.Q6_K], ids=lambda kind: kind.name)
def test_k_types_keep_their_values(kind: Kind, tmp_path: Path) -> None:
    """Q4_K and Q5_K are exact up to the rounding of scales to float16, the others within an 8-bit step."""
    changes: dict[str, Any] = {"hidden_size": 256, "intermediate_size": 256, "head_dim": 64, "num_hidden_layers": 1}
    file = File("llama", model_of("llama", **changes), **changes)
    random = np.random.default_rng(0)
    for name, (values, _) in list(file.tensors.items()):
        if values.ndim > 1:
            file.tensors[name] = (random_blocks(random, kind, values.shape), kind)
    _check_values(file, converted(file, tmp_path), relative=1e-3, steps=0 if kind in (Kind.Q4_K, Kind.Q5_K) else 1)


def test_4_bit_weights_stay_4_bit_and_others_are_named(tmp_path: Path) -> None:
    file = File("llama", model_of("llama"), Kind.Q4_0)
    file.tensors["token_embd.weight"] = (np.asarray(file.tensors["token_embd.weight"][0]), Kind.Q8_0)
    folder = converted(file, tmp_path)
    config = json.loads((folder / "config.json").read_text())
    assert config["quantization"] == {
        "group_size": 32,
        "bits": 4,
        "model.embed_tokens": {"group_size": 32, "bits": 8},
    }
    model, _ = load_model(folder)
    assert model.model.embed_tokens.bits == 8
    assert model.layers[0].self_attn.q_proj.bits == 4
    assert model.model.norm.weight.dtype == mx.float16


def random_blocks(random: np.random.Generator, kind: Kind, shape: tuple[int, ...]) -> npt.NDArray[np.uint8]:
    """Return random blocks of `kind` whose float16 scales are small and finite."""
    from gguf.constants import GGML_QUANT_SIZES

    _, block_bytes = GGML_QUANT_SIZES[kind]
    rows, columns = shape
    blocks = random.integers(0, 256, size=(rows * columns // 256, block_bytes), dtype=np.uint8)
    at = {Kind.Q4_K: (0, 2), Kind.Q5_K: (0, 2), Kind.Q2_K: (80, 82), Kind.Q3_K: (108,), Kind.Q6_K: (208,)}[kind]
    for offset in at:
        scales = random.uniform(0.001, 0.01, size=(len(blocks), 1)).astype(np.float16)
        blocks[:, offset : offset + 2] = scales.view(np.uint8)
    return blocks.reshape(rows, -1)


def _check_values(file: File, folder: Path, relative: float = 0.0, steps: float = 0.0) -> None:
    """Compare each matrix with what `gguf` reads in the file.

    `relative` is the error allowed in parts of the largest value, `steps` in steps of 8 bits of a group's range.
    """
    arrays: Any = mx.load(str(folder / "model.safetensors"))
    config = json.loads((folder / "config.json").read_text())
    assert ("quantization" in config) == any(key.endswith(".scales") for key in arrays)
    names = {stored("llama", key, value, file.config)[0]: key for key, value in weights_of(model_of("llama")).items()}
    for name, (values, kind) in file.tensors.items():
        key = names.get(name)
        if key is None or values.ndim == 1:
            continue
        packed = values if values.dtype == np.uint8 else np.asarray(quants.quantize(values, kind))
        expected = _unpermuted(name, np.asarray(quants.dequantize(packed, kind)), file.config)
        allowed = np.abs(expected).max() * relative + steps * np.ptp(expected.reshape(-1, 32), axis=1).max() / 255
        np.testing.assert_allclose(_found(arrays, key, config), expected, atol=allowed + 1e-6, rtol=0)


def _found(arrays: dict[str, mx.array], key: str, config: dict[str, Any]) -> npt.NDArray[np.float32]:
    weight, module = arrays[key], key.removesuffix(".weight")
    if f"{module}.scales" not in arrays:
        return np.array(weight.astype(mx.float32))
    setting = config["quantization"].get(module, config["quantization"])
    scales, biases = (arrays[f"{module}.{part}"].astype(mx.float32) for part in ("scales", "biases"))
    return np.array(mx.dequantize(weight, scales, biases, group_size=setting["group_size"], bits=setting["bits"]))


def _unpermuted(name: str, rows: npt.NDArray[Any], config: dict[str, Any]) -> npt.NDArray[Any]:
    if "attn_q" not in name and "attn_k" not in name:
        return rows
    heads = config["num_attention_heads" if "attn_q" in name else "num_key_value_heads"]
    return rows.reshape(heads, config["head_dim"] // 2, 2, -1).swapaxes(1, 2).reshape(rows.shape)
