"""The codec of a loaded model, or why there is none."""

from __future__ import annotations

import logging
from dataclasses import dataclass
from typing import Any

import mlx.core as mx

from omlx_daemon.worker.backend import device
from omlx_daemon.worker.backend.kv.codec import KvCodec
from omlx_daemon.worker.backend.kv.cuda import CudaDriver
from omlx_daemon.worker.backend.kv.discrete import DiscreteMemory
from omlx_daemon.worker.backend.kv.leaves import KvLayout, Unsupported, layout
from omlx_daemon.worker.backend.kv.memory import HostMemory, Memory, SharedMemory

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class OpenedCodec:
    """A codec with a description of the arrays that it stores, or none with the reason."""

    codec: KvCodec | None
    arrays: str = ""
    problem: str = ""


def open_codec(model: Any, store_bits: int) -> OpenedCodec:
    """Return the codec of `model`, storing rows with `store_bits`; runs one token to learn the layout."""
    try:
        found = layout(model)
    except Unsupported as reason:
        return OpenedCodec(None, problem=str(reason))
    except Exception as error:
        log.exception("the model's cache cannot be read")
        return OpenedCodec(None, problem=f"its cache cannot be read: {type(error).__name__}: {error}".splitlines()[0])
    return OpenedCodec(KvCodec(found, store_bits=store_bits, memory=_memory()), _describe(found))


def _memory() -> Memory:
    """Return where mlx keeps its arrays."""
    backend = device.backend()
    if backend != "cuda":
        return HostMemory() if backend == "cpu" else SharedMemory()
    try:
        memory = DiscreteMemory(CudaDriver())
        _check(memory)
    except (OSError, AttributeError, RuntimeError) as error:
        log.warning("the GPU's copy engine cannot be used, so prefixes are kept and restored slowly: %s", error)
        return SharedMemory()
    return memory


def _check(memory: Memory) -> None:
    """Raise OSError unless bytes come from the device as they are there."""
    sample = mx.arange(256).astype(mx.uint8)
    (export,) = memory.exports([sample])()
    if bytes(export()) != bytes(range(256)):
        raise OSError("copies from the device are not what was copied")


def _describe(found: KvLayout) -> str:
    """Return a text that differs wherever stored arrays would."""
    groups = [
        f"{group.key} window {group.window} leaves {group.leaves} "
        + ", ".join(f"{field.name} {field.dtype} {field.shape}" for field in group.fields)
        for group in found.groups
    ]
    kinds = [leaf.kind.__name__ for leaf in found.leaves]
    return "; ".join([*groups, *kinds])
