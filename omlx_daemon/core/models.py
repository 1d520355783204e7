"""A model on disk, as the registry found it."""

from __future__ import annotations

import msgspec

from omlx_daemon.core.adapters import Adapter


class ModelSpec(msgspec.Struct, frozen=True, kw_only=True):
    """Everything the pool needs to load a model. `path` is a folder in MLX layout."""

    name: str
    path: str
    source: str
    weights_bytes: int
    architecture: str = ""
    quantization: str = ""
    context_tokens: int = 0
    kv_values_per_token: int = 0
    """Numbers that the KV cache holds for every token; 0 where that is not known."""
    kv_values_fixed: int = 0
    """Numbers that it holds at most beside them, however long the prompt is."""
    modified_at_s: float = 0.0
    origin: str = ""
    license: str = ""
    aliases: tuple[str, ...] = ()
    problem: str = ""
    """Why it cannot be loaded (custom code, no safetensors, unknown architecture), or empty."""
    remedy: str = ""
    """What puts an end to that, where there is something."""
    adapter: Adapter | None = None
    """What it is loaded with besides, by its settings."""


class Served(msgspec.Struct, frozen=True, kw_only=True):
    """The model that answers to a name."""

    name: str
    context_tokens: int = 0
    """Longest prompt plus answer; 0 where that is not known."""
    client_window_tokens: int = 0
    """The context that its clients believe in; 0 where they know the true one."""
