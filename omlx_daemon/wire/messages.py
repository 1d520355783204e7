"""The two tagged unions that travel between daemon and worker."""

from __future__ import annotations

import msgspec

from omlx_cli.contract.cache import ModelCacheFigures
from omlx_cli.contract.errors import ErrorBody
from omlx_daemon.core.adapters import Adapter
from omlx_daemon.core.events import Event
from omlx_daemon.core.requests import GenerationRequest
from omlx_daemon.wire.cache import CacheCommand, CacheNote, CacheStart


class _Message(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    pass


class WorkerSettings(_Message, frozen=True, kw_only=True):
    """What a worker needs to know of the configuration, in plain numbers."""

    context_limit_tokens: int = 0
    max_running: int = 256
    max_queued: int = 512
    stall_target_s: float = 0.3
    memory_limit_bytes: int = 0
    kv_limit_bytes: int = 0
    """What the KV of running requests may take; 0 is without a bound. `LimitKv` changes it."""
    log_level: str = "info"


class Start(_Message, frozen=True, kw_only=True, tag="start"):
    """Daemon to worker, first: load this model."""

    model: str
    path: str
    settings: WorkerSettings = WorkerSettings()
    cache: CacheStart = CacheStart()
    adapter: Adapter | None = None


class Submit(_Message, frozen=True, kw_only=True, tag="submit"):
    """Daemon to worker: generate."""

    request: GenerationRequest


class Cancel(_Message, frozen=True, kw_only=True, tag="cancel"):
    """Daemon to worker: stop this request within one step. It still ends in one terminal event."""

    id: str


class Stop(_Message, frozen=True, kw_only=True, tag="stop"):
    """Daemon to worker: refuse new work, finish what runs within `deadline_s`, flush, exit 0."""

    deadline_s: float = 0.0
    flush_s: float = 0.0
    """How long what waits for the disk may take after that."""


class Trim(_Message, frozen=True, kw_only=True, tag="trim"):
    """Daemon to worker: return the memory that is free inside the process to the system, then report."""


class LimitKv(_Message, frozen=True, kw_only=True, tag="limit_kv"):
    """Daemon to worker: what the KV of running requests may take from now on; 0 is without a bound.

    A bound below what is held ends nothing: it keeps more requests from starting, and has the last ones wait again.
    """

    kv_limit_bytes: int


Command = Start | Submit | Cancel | Stop | Trim | LimitKv | CacheCommand


class LoadProgress(_Message, frozen=True, kw_only=True, tag="load_progress"):
    """Worker to daemon: share of the load that is done, 0 to 1."""

    step: str = ""
    share: float = 0.0


class Ready(_Message, frozen=True, kw_only=True, tag="ready"):
    """Worker to daemon: the model is loaded."""

    context_tokens: int = 0
    weights_bytes: int = 0
    backend: str = ""
    """`metal`, `cuda` or `cpu`."""
    blas: str = ""
    weights_dtype: str = ""
    load_s: float = 0.0
    device_cap_bytes: int = 0
    """What the device's arrays may take in all; 0 where the device sets no such bound."""
    load_peak_bytes: int = 0
    """The most of the system's memory that the process has held so far."""


class LoadFailed(_Message, frozen=True, kw_only=True, tag="load_failed"):
    """Worker to daemon: the model cannot be loaded; the worker exits."""

    error: ErrorBody


class Events(_Message, frozen=True, kw_only=True, tag="events"):
    """Worker to daemon: what one engine tick produced, as (request id, event) pairs in order."""

    items: tuple[tuple[str, Event], ...]


class Report(_Message, frozen=True, kw_only=True, tag="report"):
    """Worker to daemon, twice a second while there is work and after every change: how it is doing."""

    steps: int = 0
    """Engine steps since start; work that is pending while this stands still is a stall."""
    running: int = 0
    queued: int = 0
    decode_tokens_per_s: float = 0.0
    prefill_tokens_per_s: float = 0.0
    active_bytes: int = 0
    cache_bytes: int = 0
    peak_bytes: int = 0
    kv_bytes: int = 0
    kv_expected_bytes: int = 0
    """What the requests that hold a place are expected to need of KV at their ends; 0 where that is not known."""
    """What is held for KV, padding and room to grow included."""
    kv_live_bytes: int = 0
    """What of it is in use."""
    cache: ModelCacheFigures | None = None


Note = LoadProgress | Ready | LoadFailed | Events | Report | CacheNote
