"""Adapters on real models, tiny and random: the tokens are those of mlx-lm with the same adapter."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import mlx.core as mx
import pytest
from mlx_lm import load
from mlx_lm.generate import generate_step
from mlx_lm.utils import dequantize_model

from omlx_cli.contract.errors import Code, OmlxError
from omlx_daemon.models.adapters import look
from omlx_daemon.wire.messages import Start
from omlx_daemon.worker.backend.loader import load as load_for_worker
from tests.worker.adapters import write_adapter
from tests.worker.bench import BLAS, ModelBench, ask, tokens
from tests.worker.models import write_model
from tests.worker.test_model import LENGTHS, prompts

TOKENS = 12


def served(model: Path, adapter: Path | None) -> list[list[int]]:
    """Return omlx's greedy tokens."""
    bench = ModelBench(model, adapter=look(adapter)[0] if adapter else None)
    asked = [ask("r", prompt, temperature=0.0, max_tokens=TOKENS, ignore_eos=True) for prompt in prompts(*LENGTHS)]
    return [tokens(bench.run(request)[0]) for request in asked]


def of_mlx_lm(model: Path, adapter: Path) -> list[list[int]]:
    """Return mlx-lm's own, computed in float32 as a worker on a CPU does."""
    subject: Any = load(str(model), adapter_path=str(adapter))[0]
    dequantize_model(subject)
    subject.set_dtype(mx.float32)
    steps = [generate_step(mx.array(prompt.token_ids), subject, max_tokens=TOKENS) for prompt in prompts(*LENGTHS)]
    return [[int(token) for token, _ in step] for step in steps]


@pytest.mark.parametrize(
    ("family", "bits", "dtype", "kind"),
    [
        ("llama", 0, mx.float32, "lora"),
        ("llama", 4, mx.float32, "lora"),
        ("llama", 8, mx.bfloat16, "lora"),
        ("llama", 4, mx.bfloat16, "dora"),
        ("gemma3_text", 0, mx.float16, "dora"),
    ],
)
def test_greedy_tokens_are_those_of_mlx_lm_with_the_adapter(
    tmp_path: Path, family: str, bits: int, dtype: mx.Dtype, kind: str
) -> None:
    model = write_model(tmp_path / "model", family, bits=bits, dtype=dtype)
    adapter = write_adapter(tmp_path / "adapter", model, kind=kind, dtype=dtype)
    found = served(model, adapter)
    assert found == of_mlx_lm(model, adapter)
    without = served(model, None)
    assert all(one != other for one, other in zip(found, without, strict=True))


def test_everything_is_widened_on_a_cpu_and_counted(tmp_path: Path) -> None:
    model = write_model(tmp_path / "model", bits=4, dtype=mx.bfloat16)
    adapter, _ = look(write_adapter(tmp_path / "adapter", model, dtype=mx.bfloat16))
    plain, with_it = ModelBench(model).loaded.ready, ModelBench(model, adapter=adapter).loaded.ready
    assert adapter.size_bytes == 2 * adapter.values
    assert with_it.weights_bytes - plain.weights_bytes == 4 * adapter.values
    assert (plain.weights_dtype, with_it.weights_dtype) == ("float32", "float32")


def test_a_full_fine_tune_takes_the_place_of_weights(tmp_path: Path) -> None:
    model, other = write_model(tmp_path / "model"), tmp_path / "other"
    other.mkdir()
    weights: Any = mx.load(str(model / "model.safetensors"))
    mx.save_safetensors(str(other / "adapters.safetensors"), {name: array * 0.9 for name, array in weights.items()})
    (other / "adapter_config.json").write_text(json.dumps({"fine_tune_type": "full"}))
    assert look(other)[1] == ""
    found = served(model, other)
    assert found == of_mlx_lm(model, other) != served(model, None)


def refused(model: Path, adapter: Path) -> OmlxError:
    found, problem = look(adapter)
    assert problem == ""
    with pytest.raises(OmlxError) as refusal:
        load_for_worker(Start(model="tiny", path=str(model), adapter=found), BLAS, lambda step, share: None)
    assert refusal.value.code is Code.LOAD_FAILED
    return refusal.value


def test_an_adapter_of_another_model_is_refused_in_a_line(tmp_path: Path) -> None:
    model = write_model(tmp_path / "model")
    wider = write_model(tmp_path / "wider", sizes={"hidden_size": 128})
    adapter = write_adapter(tmp_path / "adapter", wider)
    said = str(refused(model, adapter))
    assert said.startswith(f"tiny cannot be loaded: its adapter {adapter} does not fit it: model.layers.")
    assert "does not match" in said and said.endswith(" more") and len(said) < 400 and "\n" not in said


def test_an_adapter_that_changed_since_it_was_looked_at_is_refused(tmp_path: Path) -> None:
    model = write_model(tmp_path / "model")
    before, _ = look(write_adapter(tmp_path / "adapter", model))
    write_adapter(tmp_path / "adapter", model, seed=2)
    with pytest.raises(OmlxError, match="changed while it was loaded"):
        load_for_worker(Start(model="tiny", path=str(model), adapter=before), BLAS, lambda step, share: None)
