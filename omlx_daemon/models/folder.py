"""A model's folder in MLX layout: what `config.json` and the file names tell, and a thorough check of its weights."""

from __future__ import annotations

import json
import os
from dataclasses import dataclass
from pathlib import Path

from omlx_cli.contract import files
from omlx_cli.contract.errors import Code, OmlxError
from omlx_daemon.models import architectures, kvsize, tensorfile

CONFIG = "config.json"
INDEX = "model.safetensors.index.json"
WEIGHTS = "model*.safetensors"
"""The pattern that mlx-lm loads."""
PICKLES = (".bin", ".pt", ".pth", ".pkl", ".pickle", ".ckpt", ".npy")
KEPT = (WEIGHTS, "*.json", "*.txt", "*.model", "*.jinja")
"""What a pull takes of a folder or repository; everything else, code and pickles above all, stays behind."""

MAX_JSON_BYTES = 64 << 20
_TOKENIZERS = ("tokenizer.json", "tokenizer.model", "vocab.json", "vocab.txt")
_TEXT_MODEL = ("CausalLM", "ConditionalGeneration", "LMHeadModel")


@dataclass(frozen=True, slots=True)
class Facts:
    """What a look at a folder tells, without reading weights. `problem` is why it cannot be loaded, or empty."""

    config: dict[str, object]
    weights_bytes: int = 0
    modified_at_s: float = 0.0
    architecture: str = ""
    quantization: str = ""
    context_tokens: int = 0
    kv_values: tuple[int, int] = (0, 0)
    """Numbers that the KV cache holds for every token, and beside them."""
    license: str = ""
    problem: str = ""

    @property
    def is_text_model(self) -> bool:
        """Whether this is a language model at all, loadable or not."""
        listed = self.config.get("architectures")
        words = " ".join(map(str, listed)) if isinstance(listed, list) else ""
        return architectures.is_known(self.architecture) or any(word in words for word in _TEXT_MODEL)


def look(path: Path) -> Facts:
    """Return the facts of the folder at `path`. Never raises: what is wrong stands in `problem`."""
    try:
        config = read_json(path / CONFIG)
        shards = weight_files(path)
        sizes = [shard.stat() for shard in shards]
        problem = architectures.problem(config) or _weights_problem(path, shards) or _tokenizer_problem(path)
        problem = problem or _files_problem(path)
    except FileNotFoundError as error:
        return Facts({}, problem=f"{Path(error.filename or CONFIG).name} is missing")
    except OSError as error:
        return Facts({}, problem=f"it cannot be read: {error.strerror}")
    except ValueError as error:
        return Facts({}, problem=str(error))
    model_type = config.get("model_type")
    return Facts(
        config,
        weights_bytes=sum(stat.st_size for stat in sizes),
        modified_at_s=max((stat.st_mtime for stat in sizes), default=0.0),
        architecture=model_type if isinstance(model_type, str) else "",
        quantization=_quantization(config),
        context_tokens=_context_tokens(config),
        kv_values=kvsize.values(_text_config(config)),
        license=str(config.get("license") or ""),
        problem=problem,
    )


def verify(path: Path, boundary: Path | None = None) -> None:
    """Check a folder as far as can be without loading it: config, shard list, every header, every link.

    Links must stay inside `boundary` (the folder itself by default). Raises OmlxError(UNSUPPORTED_MODEL).
    """
    root = (boundary or path).resolve()
    for entry in path.rglob("*"):
        if not entry.resolve().is_relative_to(root):
            raise _unusable(f"{entry.name} is a link that leaves its folder")
    facts = look(path)
    if facts.problem:
        raise _unusable(facts.problem)
    for shard in weight_files(path):
        try:
            tensorfile.read(shard)
        except tensorfile.BadTensorFile as error:
            raise _unusable(str(error)) from error


def read_json(path: Path) -> dict[str, object]:
    """Return a JSON object from a file. Raises OSError, or ValueError with a text for people."""
    if path.stat().st_size > MAX_JSON_BYTES:
        raise ValueError(f"{path.name} is too large")
    try:
        document = json.loads(files.read_bytes(path))
    except (ValueError, RecursionError) as error:
        raise ValueError(f"{path.name} is not valid JSON") from error
    if not isinstance(document, dict):
        raise ValueError(f"{path.name} is not a JSON object")
    return document


def weight_files(path: Path) -> list[Path]:
    """Return the weight shards of a folder, by name."""
    return sorted(path.glob(WEIGHTS))


def _weights_problem(path: Path, shards: list[Path]) -> str:
    if not shards:
        pickles = sorted(file.name for file in path.iterdir() if file.suffix in PICKLES)
        if pickles:
            return f"its weights are pickles ({pickles[0]}), which can run code; omlx loads safetensors alone"
        return "it has no weights (model*.safetensors)"
    index = path / INDEX
    if not index.exists():
        return ""
    listed = read_json(index).get("weight_map")
    if not isinstance(listed, dict):
        return f"{INDEX} has no weight_map"
    expected = {str(name) for name in listed.values()}
    if any("/" in name or "\\" in name for name in expected):
        return f"{INDEX} names a file outside the folder"
    missing = sorted(expected - {shard.name for shard in path.glob("*.safetensors")})
    return f"{len(missing)} of {len(expected)} weight files are missing ({missing[0]})" if missing else ""


def _tokenizer_problem(path: Path) -> str:
    return "" if any((path / name).exists() for name in _TOKENIZERS) else "it has no tokenizer"


def _files_problem(path: Path) -> str:
    """Return what is no file and would be read as one: whoever opens a pipe waits for ever."""
    with os.scandir(path) as found:
        foreign = [Path(entry) for entry in found if not entry.is_file() and not entry.is_dir()]
    read = [file.name for file in foreign if file.exists() and any(file.match(pattern) for pattern in KEPT)]
    return f"{min(read)} is no file" if read else ""


def _text_config(config: dict[str, object]) -> dict[str, object]:
    """Return the part of a config that is about text: a model that also sees nests it."""
    nested = config.get("text_config")
    return config | nested if isinstance(nested, dict) else config


def _quantization(config: dict[str, object]) -> str:
    setting = config.get("quantization") or config.get("quantization_config")
    if isinstance(setting, dict):
        mode = setting.get("mode", "affine")
        if mode != "affine":
            return str(mode)
        if "bits" in setting and "group_size" in setting:
            return f"{setting['bits']}-bit g{setting['group_size']}"
        return str(setting.get("quant_method", ""))
    text = _text_config(config)
    return str(text.get("dtype") or text.get("torch_dtype") or "")


def _context_tokens(config: dict[str, object]) -> int:
    text = _text_config(config)
    for key in ("max_position_embeddings", "n_positions", "max_seq_len", "seq_length", "model_max_length"):
        value = text.get(key)
        if isinstance(value, int) and not isinstance(value, bool) and value > 0:
            return value
    return 0


def _unusable(detail: str) -> OmlxError:
    return OmlxError(Code.UNSUPPORTED_MODEL, f"this model cannot be used: {detail}")
