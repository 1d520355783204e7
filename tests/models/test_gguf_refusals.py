"""Files that are damaged, hostile or of an unknown kind end in one clear error, never in a crash."""

from __future__ import annotations

import json
import random
import struct
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from gguf import GGMLQuantizationType

from omlx_cli.contract.errors import Code, OmlxError
from omlx_daemon.worker.backend.gguf import header
from omlx_daemon.worker.backend.gguf.convert import convert
from tests.models.gguf_files import File, model_of

Kind = GGMLQuantizationType


def refusal(path: Path) -> OmlxError:
    target = path.with_suffix(".model")
    target.mkdir(exist_ok=True)
    with pytest.raises(OmlxError) as caught:
        convert(path, target, lambda done, total: None)
    assert caught.value.code is Code.UNSUPPORTED_MODEL
    return caught.value


def _drop(name: str) -> Callable[[File], object]:
    return lambda file: file.tensors.pop(name)


def _set(key: str, value: Any) -> Callable[[File], object]:
    return lambda file: file.pairs.update({key: value})


def _tensor(name: str, values: Any, kind: Kind) -> Callable[[File], object]:
    return lambda file: file.tensors.update({name: (values, kind)})


_IQ4 = np.zeros((64, 18 * 2), dtype=np.uint8)


@pytest.mark.parametrize(
    ("change", "named"),
    [
        (_drop("blk.1.ffn_up.weight"), "blk.1.ffn_up.weight"),
        (_drop("token_embd.weight"), "token_embd.weight"),
        (_tensor("blk.0.attn_k.weight", np.zeros((64, 64), np.float32), Kind.F32), "blk.0.attn_k.weight"),
        (_tensor("blk.0.attn_output.weight", _IQ4, Kind.IQ4_NL), "IQ4_NL"),
        (_tensor("blk.0.ffn_gate_exps.weight", np.zeros((2, 64, 64), np.float32), Kind.F32), "ffn_gate_exps"),
        (_tensor("rope_freqs.weight", np.linspace(1, 9, 8, dtype=np.float32), Kind.F32), "rope_freqs"),
        (_set("llama.expert_count", 8), "experts"),
        (_set("split.count", 3), "more than one file"),
        (_set("llama.block_count", 100_000), "layers"),
        (_set("llama.attention.head_count_kv", 3), "heads"),
        (_set("llama.embedding_length", "wide"), "embedding_length"),
        (_set("llama.rope.scaling.type", "longrope"), "longrope"),
        (_set("llama.rope.dimension_count", 8), "rotary"),
        (_set("tokenizer.chat_template", "x" * (2 << 20)), "chat template"),
    ],
)
def test_what_cannot_be_imported_is_named(change: Callable[[File], object], named: str, tmp_path: Path) -> None:
    file = File("llama", model_of("llama"))
    change(file)
    assert named in str(refusal(file.write(tmp_path / "model.gguf")))


def test_an_unknown_architecture_is_named_with_the_known_ones(tmp_path: Path) -> None:
    file = File("llama", model_of("llama"))
    file.architecture = "falcon"
    error = refusal(file.write(tmp_path / "model.gguf"))
    assert "'falcon'" in str(error)
    assert "qwen3" in error.body.hint


def test_llama3_scaling_is_recognised_by_its_divisors(tmp_path: Path) -> None:
    file = File("llama", model_of("llama"))
    file.pairs["llama.rope.freq_base"] = 500_000.0
    wavelengths = [2 * np.pi * 500_000.0 ** (2 * i / 16) for i in range(8)]
    smooth = [(8192 / wave - 1) / 3 for wave in wavelengths]
    divisors = [1 / ((1 - min(max(s, 0), 1)) / 32 + min(max(s, 0), 1)) for s in smooth]
    file.tensors["rope_freqs.weight"] = (np.array(divisors, np.float32), Kind.F32)
    target = tmp_path / "model"
    target.mkdir()
    convert(file.write(tmp_path / "model.gguf"), target, lambda done, total: None)
    scaling = json.loads((target / "config.json").read_text())["rope_scaling"]
    assert (scaling["rope_type"], scaling["factor"]) == ("llama3", 32.0)


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"GGUF",
        b"NOPE" + bytes(40),
        b"GGUF" + struct.pack("<IQQ", 1, 0, 0),
        b"GGUF" + struct.pack(">IQQ", 3, 0, 0),
        b"GGUF" + struct.pack("<IQQ", 3, 1 << 60, 0),
        b"GGUF" + struct.pack("<IQQ", 3, 0, 1 << 60),
        b"GGUF" + struct.pack("<IQQQ", 3, 0, 1, 1 << 62) + bytes(64),
        b"GGUF" + struct.pack("<IQQQ", 3, 0, 1, 1) + b"a" + struct.pack("<IIQ", 9, 0, 1 << 62) + bytes(64),
        b"GGUF" + struct.pack("<IQQQ", 3, 0, 1, 1) + b"a" + struct.pack("<IIQ", 9, 9, 1 << 40) + bytes(64),
        b"GGUF" + struct.pack("<IQQQ", 3, 1, 0, 1) + b"t" + struct.pack("<IQIQ", 1, 1 << 63, 0, 0) + bytes(64),
        b"GGUF" + struct.pack("<IQQQ", 3, 1, 0, 1) + b"t" + struct.pack("<IQIQ", 1, 4, 0, 1 << 63) + bytes(64),
        b"GGUF" + struct.pack("<IQQQ", 3, 1, 0, 1) + b"t" + struct.pack("<I", 1 << 31) + bytes(64),
    ],
)
def test_hostile_headers_are_refused(content: bytes, tmp_path: Path) -> None:
    path = tmp_path / "model.gguf"
    path.write_bytes(content)
    refusal(path)


def test_a_file_cut_anywhere_or_with_flipped_bytes_never_crashes(tmp_path: Path) -> None:
    whole = File("llama", model_of("llama")).write(tmp_path / "whole.gguf").read_bytes()
    start = min(tensor.offset for tensor in header.read(tmp_path / "whole.gguf").tensors.values())
    chance = random.Random(0)
    path = tmp_path / "model.gguf"
    for cut in [*chance.sample(range(start), 20), len(whole) - 1]:
        path.write_bytes(whole[:cut])
        refusal(path)
    for _ in range(60):
        broken = bytearray(whole)
        for _ in range(3):
            broken[chance.randrange(start)] = chance.randrange(256)
        path.write_bytes(broken)
        _convert_or_refuse(path, tmp_path)


def _convert_or_refuse(path: Path, tmp_path: Path) -> None:
    target = tmp_path / "flipped"
    target.mkdir(exist_ok=True)
    try:
        convert(path, target, lambda done, total: None)
    except OmlxError as error:
        assert error.code is Code.UNSUPPORTED_MODEL


def test_the_command_reports_a_refusal_as_json(tmp_path: Path) -> None:
    (tmp_path / "model.gguf").write_bytes(b"GGUF" + bytes(100))
    (tmp_path / "model").mkdir()
    command = [sys.executable, "-I", "-m", "omlx_daemon.worker.import_gguf"]
    done = subprocess.run(
        [*command, tmp_path / "model.gguf", tmp_path / "model"], capture_output=True, text=True, check=False
    )
    last = json.loads(done.stdout.splitlines()[-1])
    assert (done.returncode, last["type"], last["error"]["code"]) == (1, "failed", "unsupported_model")
    assert not done.stderr
    assert not list((tmp_path / "model").iterdir())
