"""Write a model of Llama 3 8B's shape with random bfloat16 weights.

    python -m benchmarks.random_model FOLDER [--layers 32] [--tokenizer MODEL_FOLDER]

It has a byte tokenizer, or that of another model: a benchmark that chats needs one whose every token is text.
"""

from __future__ import annotations

import argparse
import json
import shutil
from pathlib import Path
from typing import Any

import mlx.core as mx
from mlx.utils import tree_flatten
from mlx_lm.models import llama
from tokenizers import Tokenizer, decoders, models, pre_tokenizers

CONFIG: dict[str, Any] = {
    "model_type": "llama",
    "hidden_size": 4096,
    "num_hidden_layers": 32,
    "intermediate_size": 14336,
    "num_attention_heads": 32,
    "num_key_value_heads": 8,
    "rms_norm_eps": 1e-5,
    "vocab_size": 128256,
    "rope_theta": 500000.0,
    "max_position_embeddings": 131072,
    "tie_word_embeddings": False,
    "eos_token_id": 256,
}


def write(folder: Path, layers: int, tokenizer: Path | None = None) -> None:
    """Write the model, one file a layer, with the tokenizer of the model at `tokenizer`."""
    folder.mkdir(parents=True)
    config = CONFIG | {"num_hidden_layers": layers} | (_tokenizer_of(tokenizer, folder) if tokenizer else {})
    arguments: Any = llama.ModelArgs
    model: Any = llama.Model(arguments.from_dict(config))
    model.set_dtype(mx.bfloat16)
    for number in range(layers):
        _save(folder / f"model-{number:03}.safetensors", f"model.layers.{number}.", model.model.layers[number])
    rest = {name: array for name, array in _flat(model) if not name.startswith("model.layers.")}
    mx.save_safetensors(str(folder / "model-rest.safetensors"), rest, metadata={"format": "mlx"})
    (folder / "config.json").write_text(json.dumps(config))
    if tokenizer is None:
        _write_tokenizer(folder)


def _save(path: Path, prefix: str, layer: Any) -> None:
    weights = {prefix + name: array for name, array in _flat(layer)}
    mx.save_safetensors(str(path), weights, metadata={"format": "mlx"})


def _flat(module: Any) -> list[tuple[str, mx.array]]:
    leaves: Any = tree_flatten(module.parameters())
    return list(leaves)


def _tokenizer_of(model: Path, folder: Path) -> dict[str, Any]:
    """Copy a model's tokenizer and chat template; return what the configuration has to say of them."""
    for name in ("tokenizer.json", "tokenizer_config.json", "special_tokens_map.json", "chat_template.jinja"):
        if (model / name).exists():
            shutil.copy(model / name, folder / name)
    config = json.loads((model / "config.json").read_text())
    return {name: config[name] for name in ("vocab_size", "eos_token_id") if name in config}


def _write_tokenizer(folder: Path) -> None:
    letters = sorted(pre_tokenizers.ByteLevel.alphabet())
    vocabulary = {letter: token for token, letter in enumerate(letters)} | {"</s>": 256}
    tokenizer = Tokenizer(models.BPE(vocab=vocabulary, merges=[], unk_token=None))
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    tokenizer.add_special_tokens(["</s>"])
    tokenizer.save(str(folder / "tokenizer.json"))
    settings = {"tokenizer_class": "PreTrainedTokenizerFast", "eos_token": "</s>"}
    (folder / "tokenizer_config.json").write_text(json.dumps(settings))


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--layers", type=int, default=32)
    parser.add_argument("--tokenizer", type=Path, metavar="MODEL_FOLDER")
    options = parser.parse_args()
    write(options.folder, options.layers, options.tokenizer)
