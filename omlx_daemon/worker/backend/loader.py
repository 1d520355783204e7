"""Loads a model folder in MLX layout: configuration, weights, tokenizer. Runs no code that comes with a model."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path

import mlx.core as mx
from mlx.nn.layers.base import Module
from mlx_lm.models.cache import make_prompt_cache
from mlx_lm.tokenizer_utils import TokenizerWrapper
from mlx_lm.utils import load_model, load_tokenizer, maybe_set_recommended_wired_limit

from omlx_cli.contract.errors import Code, OmlxError
from omlx_daemon.core.requests import Sampling
from omlx_daemon.wire.messages import Ready, Start
from omlx_daemon.worker.backend import adapter, device, precision
from omlx_daemon.worker.backend.blas import Blas
from omlx_daemon.worker.backend.grammar.compiler import Compiler
from omlx_daemon.worker.backend.kv.opening import OpenedCodec, open_codec
from omlx_daemon.worker.backend.lanes.shape import shape_of
from omlx_daemon.worker.backend.memory import available_bytes, device_cap_bytes, peak_resident_bytes
from omlx_daemon.worker.backend.runner import BatchRunner
from omlx_daemon.worker.backend.tokenizer import ModelTokenizer, foreign_tools
from omlx_daemon.worker.engine.kvshape import KvShape
from omlx_daemon.worker.engine.plan import SamplingDefaults, decide
from omlx_daemon.worker.engine.ports import ModelFacts
from omlx_daemon.worker.parsing.style import style_of

Progress = Callable[[str, float], None]
"""Told what the load does now, and the share that is done, 0 to 1."""
_open_tokenizer: Callable[..., TokenizerWrapper] = load_tokenizer
_OWN_CODE = ("model_file", "auto_map")
_CONTEXT_KEYS = ("max_position_embeddings", "n_positions", "max_seq_len", "seq_length", "n_ctx")


@dataclass(frozen=True, slots=True)
class LoadedModel:
    """A model that is ready to run, and what is to be told of it."""

    runner: BatchRunner
    tokenizer: ModelTokenizer
    facts: ModelFacts
    ready: Ready
    cache: OpenedCodec
    grammars: Compiler


def load(start: Start, blas: Blas, progress: Progress) -> LoadedModel:
    """Load the model that `start` names, on this thread, which is then the only one that may use it.

    Raises OmlxError (LOAD_FAILED, UNSUPPORTED_MODEL), whatever is wrong with the folder.
    """
    try:
        return _load(start, blas, progress)
    except OmlxError:
        raise
    except Exception as error:
        reason = " ".join(str(error).split()) or type(error).__name__
        raise OmlxError(Code.LOAD_FAILED, f"{start.model} cannot be loaded: {reason}") from error


def _load(start: Start, blas: Blas, progress: Progress) -> LoadedModel:
    began_s, path = time.monotonic(), Path(start.path)
    progress("configuration", 0.05)
    _refuse_own_code(path)
    model, config = _load_weights(start, progress)
    progress("tokenizer", 0.8)
    tokenizer = _open_tokenizer(path, {"trust_remote_code": False}, eos_token_ids=config.get("eos_token_id"))
    encoder = ModelTokenizer(tokenizer)
    progress("first step", 0.9)
    vocabulary_tokens, shape = _first_step(model)
    facts = ModelFacts(
        context_tokens=_context_tokens(config, start.settings.context_limit_tokens),
        vocabulary_tokens=vocabulary_tokens,
        eos_ids=frozenset(tokenizer.eos_token_ids),
        defaults=_defaults(path),
        traits=encoder.traits,
        style=style_of(encoder.traits, foreign_tools(tokenizer)),
    )
    on = device.backend()
    ready = Ready(
        context_tokens=facts.context_tokens,
        weights_bytes=precision.weights_bytes(model),
        backend=on,
        blas=blas.name if on == "cpu" else "",
        weights_dtype=precision.name(model),
        load_s=time.monotonic() - began_s,
        device_cap_bytes=device_cap_bytes(),
        load_peak_bytes=peak_resident_bytes(),
    )
    codec = open_codec(model, start.cache.kv_store_bits) if start.cache.enabled else OpenedCodec(None)
    codec = replace(codec, arrays=f"{on} {ready.weights_dtype} {codec.arrays}")
    return LoadedModel(BatchRunner(model, shape), encoder, facts, ready, codec, Compiler(encoder, facts))


def _refuse_own_code(path: Path) -> None:
    for name in ("config.json", "tokenizer_config.json"):
        for key in _OWN_CODE:
            if _read(path / name).get(key):
                message = f"the model wants to run code of its own ({key} in {name}), which omlx never does"
                raise OmlxError(Code.UNSUPPORTED_MODEL, message, "look for a conversion that needs none")


def _load_weights(start: Start, progress: Progress) -> tuple[Module, Mapping[str, object]]:
    progress("weights", 0.1)
    maybe_set_recommended_wired_limit()
    model, config = load_model(Path(start.path), lazy=True)
    if start.adapter is not None:
        adapter.put_on(model, start.adapter, start.model)
    if device.backend() == "cpu":
        # The adapter's layers are widened with the model's: numbers of two formats are multiplied slowly.
        precision.widen(model, available_bytes(start.settings.memory_limit_bytes))
    mx.eval(model.parameters())
    if start.adapter is not None:
        adapter.check_unchanged(start.adapter, start.model)
    return model, config


def _first_step(model: Module) -> tuple[int, KvShape]:
    """Run one token, which compiles the kernels; return how many logits it gives, and what it leaves in the cache."""
    caches = make_prompt_cache(model)
    logits = model(mx.array([[0]]), cache=caches)
    mx.eval(logits)
    return int(logits.shape[-1]), shape_of(caches)


def _context_tokens(config: Mapping[str, object], limit_tokens: int) -> int:
    """Return the model's context, at most the limit where one is set; 0 where neither is known."""
    text = config.get("text_config")
    places = [config, *([text] if isinstance(text, dict) else [])]
    found = [value for place in places for key in _CONTEXT_KEYS if isinstance(value := place.get(key), int)]
    return min([*found[:1], *([limit_tokens] if limit_tokens else [])], default=0)


def _defaults(path: Path) -> SamplingDefaults:
    """Return the model's sampling advice; none where it is missing or makes no sense."""
    advice = _read(path / "generation_config.json")
    top_k = advice.get("top_k")
    defaults = SamplingDefaults(
        temperature=_number(advice, "temperature"),
        top_p=_number(advice, "top_p"),
        top_k=top_k if isinstance(top_k, int) else None,
        min_p=_number(advice, "min_p"),
        repetition_penalty=_number(advice, "repetition_penalty"),
    )
    try:
        decide(Sampling(), defaults)
    except OmlxError:
        return SamplingDefaults()
    return defaults


def _number(advice: Mapping[str, object], key: str) -> float | None:
    value = advice.get(key)
    return float(value) if isinstance(value, int | float) else None


def _read(path: Path) -> Mapping[str, object]:
    """Return a JSON object, empty where the file is missing or holds none."""
    try:
        document = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return document if isinstance(document, dict) else {}
