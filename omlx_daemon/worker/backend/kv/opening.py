"""The codec of a loaded model, or why there is none."""

from __future__ import annotations

import logging
from dataclasses import dataclass
from typing import Any

from omlx_daemon.worker.backend.kv.codec import KvCodec
from omlx_daemon.worker.backend.kv.leaves import KvLayout, Unsupported, layout

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
    return OpenedCodec(KvCodec(found, store_bits=store_bits), _describe(found))


def _describe(found: KvLayout) -> str:
    """Return a text that differs wherever stored arrays would."""
    groups = [
        f"{group.key} window {group.window} leaves {group.leaves} "
        + ", ".join(f"{field.name} {field.dtype} {field.shape}" for field in group.fields)
        for group in found.groups
    ]
    kinds = [leaf.kind.__name__ for leaf in found.leaves]
    return "; ".join([*groups, *kinds])
