"""Tokenizers rebuilt from metadata split and join text as the originals do."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from gguf import TokenType
from tokenizers import Tokenizer

from omlx_cli.contract.errors import Code, OmlxError
from omlx_daemon.worker.backend.gguf.convert import convert
from tests.models.gguf_files import BYTES, VOCAB, File, byte_letters, model_of

TEXTS = ["The théâtre's 1234 doors,\n\n  aren't  shut!", "def f(x):\n\treturn x**2  # ok", "日本語 and 🦜 emoji", ""]


def built(tmp_path: Path, **pairs: Any) -> Path:
    return _built(File("llama", model_of("llama")), tmp_path, pairs)


def _built(file: File, tmp_path: Path, pairs: dict[str, Any]) -> Path:
    file.pairs |= {f"tokenizer.ggml.{key}": value for key, value in pairs.items()}
    folder = tmp_path / "model"
    folder.mkdir()
    convert(file.write(tmp_path / "model.gguf"), folder, lambda done, total: None)
    return folder


def pieces(folder: Path, text: str) -> list[str]:
    tokenizer = Tokenizer.from_file(str(folder / "tokenizer.json"))
    pairs = tokenizer.pre_tokenizer.pre_tokenize_str(text)
    letters = {letter: byte for byte, letter in enumerate(byte_letters())}
    return [bytes(letters[letter] for letter in piece).decode() for piece, _ in pairs]


@pytest.mark.parametrize(
    ("kind", "expected"),
    [
        ("gpt-2", ["ab", " 1234", " x", "\n", "\n", "y"]),
        ("smollm", ["ab", " ", "1", "2", "3", "4", " x", "\n", "\n", "y"]),
        ("llama-bpe", ["ab", " ", "123", "4", " x", "\n\n", "y"]),
        ("qwen2", ["ab", " ", "1", "2", "3", "4", " x", "\n\n", "y"]),
        ("tekken", ["ab", " ", "1", "2", "3", "4", " x", "\n\n", "y"]),
        ("default", ["ab", " ", "123", "4", " x", "\n", "\n", "y"]),
    ],
)
def test_each_kind_splits_text_in_its_own_way(kind: str, expected: list[str], tmp_path: Path) -> None:
    assert pieces(built(tmp_path, pre=kind), "ab 1234 x\n\ny") == expected


@pytest.mark.parametrize("kind", ["gpt-2", "smollm", "llama-bpe", "qwen2", "tekken", "default"])
def test_text_survives_a_round_trip(kind: str, tmp_path: Path) -> None:
    folder = built(tmp_path, pre=kind)
    tokenizer = Tokenizer.from_file(str(folder / "tokenizer.json"))
    for text in TEXTS:
        assert tokenizer.decode(tokenizer.encode(text, add_special_tokens=False).ids) == text


def test_merges_and_control_tokens_are_matched(tmp_path: Path) -> None:
    folder = built(tmp_path, pre="qwen2")
    tokenizer = Tokenizer.from_file(str(folder / "tokenizer.json"))
    assert tokenizer.encode("<|start|>th<|end|>").ids == [BYTES, BYTES + 2, BYTES + 1]


def test_the_start_token_comes_first_where_the_file_says_so(tmp_path: Path) -> None:
    folder = built(tmp_path, pre="qwen2", add_bos_token=True)
    tokenizer = Tokenizer.from_file(str(folder / "tokenizer.json"))
    assert tokenizer.encode("th").ids == [BYTES, BYTES + 2]
    assert tokenizer.encode("th", add_special_tokens=False).ids == [BYTES + 2]


def test_the_loaded_tokenizer_is_the_one_that_was_written(tmp_path: Path) -> None:
    from mlx_lm.tokenizer_utils import load

    folder = built(tmp_path, pre="smollm")
    loaded: Any = load(folder)
    written = Tokenizer.from_file(str(folder / "tokenizer.json"))
    for text in TEXTS:
        assert loaded.encode(text, add_special_tokens=False) == written.encode(text, add_special_tokens=False).ids
    prompt = loaded.apply_chat_template([{"role": "user", "content": "th"}], tokenize=False)
    assert prompt == "<|user|>th"
    assert loaded.bos_token == "<|start|>"
    assert loaded.eos_token == "<|end|>"


def test_every_token_that_ends_an_answer_is_named(tmp_path: Path) -> None:
    file = File("llama", model_of("llama"))
    tokens, kinds = file.lists["tokenizer.ggml.tokens"], file.lists["tokenizer.ggml.token_type"]
    tokens[BYTES + 10], kinds[BYTES + 10] = "<|eot_id|>", int(TokenType.CONTROL)
    folder = _built(file, tmp_path, {"eot_token_id": BYTES + 4})
    for name in ("config.json", "generation_config.json"):
        assert json.loads((folder / name).read_text())["eos_token_id"] == [BYTES + 1, BYTES + 4, BYTES + 10]


def sentencepiece_file(architecture: str = "gemma3") -> File:
    """A vocabulary of pieces: byte fallbacks, letters, two merges and a user-defined run of spaces."""
    file = File(architecture, model_of(architecture))
    words = ["▁", "a", "b", "ab", "▁ab", "c"]
    tokens = ["<pad>", "<eos>", "<bos>", "<unk>", *(f"<0x{byte:02X}>" for byte in range(256)), "  ", *words]
    kinds = [TokenType.CONTROL] * 3 + [TokenType.UNKNOWN] + [TokenType.BYTE] * 256 + [TokenType.USER_DEFINED]
    kinds += [TokenType.NORMAL] * len(words)
    spare = VOCAB - len(tokens)
    file.lists = {
        "tokenizer.ggml.tokens": tokens + [f"<unused{i}>" for i in range(spare)],
        "tokenizer.ggml.token_type": [int(kind) for kind in kinds] + [int(TokenType.UNUSED)] * spare,
        "tokenizer.ggml.scores": [0.0] * 261 + [-3.0, -4.0, -5.0, -1.0, -2.0, -6.0] + [-99.0] * spare,
    }
    file.pairs |= {"tokenizer.ggml.model": "llama", "tokenizer.ggml.bos_token_id": 2, "tokenizer.ggml.eos_token_id": 1}
    file.pairs.pop("tokenizer.ggml.pre")
    return file


def test_sentencepiece_merges_by_score_and_falls_back_to_bytes(tmp_path: Path) -> None:
    folder = _built(sentencepiece_file(), tmp_path, {"add_space_prefix": False})
    tokenizer = Tokenizer.from_file(str(folder / "tokenizer.json"))
    encoded = tokenizer.encode("ab ab  cé")
    assert encoded.tokens == ["<bos>", "ab", "▁ab", "  ", "c", "<0xC3>", "<0xA9>"]
    assert tokenizer.decode(encoded.ids) == "ab ab  cé"


def test_sentencepiece_with_a_space_in_front_drops_it_again(tmp_path: Path) -> None:
    from mlx_lm.tokenizer_utils import load

    folder = _built(sentencepiece_file("llama"), tmp_path, {})
    tokenizer: Any = load(folder)
    ids = tokenizer.encode("ab c")
    assert tokenizer.convert_ids_to_tokens(ids) == ["<bos>", "▁ab", "▁", "c"]
    assert tokenizer.decode(ids, skip_special_tokens=True) == "ab c"


@pytest.mark.parametrize(
    ("pairs", "named"),
    [({"pre": "deepseek-v3"}, "deepseek-v3"), ({"model": "rwkv"}, "rwkv"), ({"bos_token_id": 99_999}, "99999")],
)
def test_a_tokenizer_that_cannot_be_rebuilt_is_refused_by_name(
    pairs: dict[str, Any], named: str, tmp_path: Path
) -> None:
    with pytest.raises(OmlxError, match=named) as caught:
        built(tmp_path, **pairs)
    assert caught.value.code is Code.UNSUPPORTED_MODEL
