"""Replies of the control routes, and the bodies they take.

Replies tolerate unknown fields, and a new field carries a default, so that CLI and daemon of
neighbouring versions talk. Times are RFC 3339 UTC, sizes bytes, durations seconds.
"""

from __future__ import annotations

from enum import StrEnum

import msgspec

from omlx_cli.contract.errors import ErrorBody
from omlx_cli.contract.misses import MissInfo

PROTOCOL = 1
"""Raised when an older CLI could misread a reply."""

SCHEMA_VERSION = 1
"""Stands in every document that `--json` prints."""


class Reply(msgspec.Struct, frozen=True, kw_only=True):
    """Base of every reply."""

    schema_version: int = SCHEMA_VERSION


class DaemonState(StrEnum):
    """Where the daemon is in its life."""

    STARTING = "starting"
    READY = "ready"
    DRAINING = "draining"
    STUCK = "stuck"


class StuckWorker(msgspec.Struct, frozen=True, kw_only=True):
    """A worker that has work and makes no step."""

    model: str
    pid: int
    request: str
    """The id of the request that has waited longest."""
    requests: int = 1
    """How many wait for it in all."""
    stuck_s: float = 0.0
    """Seconds since its last step."""
    restart_in_s: float | None = None
    """Seconds until it is ended; None where it is left alone."""


class Health(Reply, frozen=True, kw_only=True):
    """`GET /health`: who is answering."""

    status: str = "ok"
    state: DaemonState = DaemonState.READY
    name: str = "omlx"
    version: str
    protocol: int = PROTOCOL
    prefix: str
    pid: int
    start_id: str
    stuck: tuple[StuckWorker, ...] = ()
    """Who makes no step, where the state is `stuck`."""


class DaemonInfo(Reply, frozen=True, kw_only=True):
    """The running daemon, as `run/daemon.json` and `omlx status` show it."""

    version: str
    protocol: int = PROTOCOL
    state: DaemonState = DaemonState.READY
    pid: int
    start_id: str
    prefix: str
    home: str
    socket: str
    address: str = ""
    """`127.0.0.1:8000`, or empty where the TCP port could not be bound."""
    tcp_error: str = ""
    troubles: tuple[str, ...] = ()
    """What is wrong with its home, such as a log that a full disk does not take."""
    manager: str = ""
    """What started it: `launchd`, `systemd`, `process` or `foreground`."""
    started_at: str = ""
    uptime_s: float = 0.0


class SlotState(StrEnum):
    """What a model in the pool is doing."""

    LOADING = "loading"
    BUSY = "busy"
    IDLE = "idle"
    STUCK = "stuck"
    UNLOADING = "unloading"
    CRASHED = "crashed"


class SlotInfo(msgspec.Struct, frozen=True, kw_only=True):
    """One row of `omlx ps`."""

    name: str
    state: SlotState
    size_bytes: int = 0
    pinned: bool = False
    running: int = 0
    queued: int = 0
    decode_tokens_per_s: float = 0.0
    prefill_tokens_per_s: float = 0.0
    loading: float = 0.0
    """Loaded share, 0 to 1."""
    ttl_s: float | None = None
    """Idle time allowed in seconds; None is for ever."""
    expires_at: str | None = None
    pid: int = 0
    crashes: int = 0
    error: str = ""
    """Why the last worker ended, or the last load failed."""
    retry_at: str | None = None
    """When it may be started again after failures in a row; None is now."""
    waits: str = ""
    """Why its load waits for memory, or empty."""


class MemoryLevel(StrEnum):
    """How short memory is: `yellow` gives back what can be had again, `red` takes no new work."""

    GREEN = "green"
    YELLOW = "yellow"
    RED = "red"


class MemoryTerm(msgspec.Struct, frozen=True, kw_only=True):
    """One figure of a sum of memory; `note` says where it comes from."""

    name: str
    size_bytes: int
    note: str = ""


class MemoryStatus(msgspec.Struct, frozen=True, kw_only=True):
    """The machine's memory as the daemon sees it."""

    level: MemoryLevel = MemoryLevel.GREEN
    reasons: tuple[str, ...] = ()
    """What makes the level what it is; empty where it is green."""
    terms: tuple[MemoryTerm, ...] = ()
    waiting: tuple[str, ...] = ()
    """Loads that wait for memory, and why."""
    swaps: int = 0
    """Models that made way for another one since the daemon started."""


class RequestPhase(StrEnum):
    """How far a request is."""

    LOADING = "loading"
    QUEUED = "queued"
    PREFILL = "prefill"
    DECODE = "decode"


class RequestInfo(msgspec.Struct, frozen=True, kw_only=True):
    """One row of `omlx requests`: a sequence that is being computed, or waits."""

    id: str
    model: str
    client: str = ""
    phase: RequestPhase
    priority: str = "normal"
    age_s: float = 0.0
    left_s: float | None = None
    """Seconds until its deadline; None where it has none."""
    prompt_tokens: int = 0
    prefilled_tokens: int = 0
    tokens: int = 0
    """Tokens generated so far."""
    cached_hot_tokens: int = 0
    """Prompt tokens that came from RAM."""
    cached_cold_tokens: int = 0
    """Prompt tokens that came from SSD."""
    tokens_per_s: float = 0.0
    """Of the phase it is in: prompt tokens computed, or tokens generated."""
    ttft_s: float | None = None
    """From its arrival to its first token; None before that."""
    miss: MissInfo | None = None
    """Why no more of its prompt was reused; None while that is not known, and where nothing was missed."""


class RequestsReply(Reply, frozen=True, kw_only=True):
    """`GET /omlx/v1/requests`: what is being worked on, the oldest first."""

    requests: tuple[RequestInfo, ...] = ()


class ReloadReply(Reply, frozen=True, kw_only=True):
    """`POST /omlx/v1/config/reload`: the settings that have changed, by when they take effect."""

    applied: tuple[str, ...] = ()
    next_load: tuple[str, ...] = ()
    """They wait until a model is loaded again."""
    restart: tuple[str, ...] = ()
    """They wait until the daemon is started again."""


class PsReply(Reply, frozen=True, kw_only=True):
    """`GET /omlx/v1/ps`."""

    models: tuple[SlotInfo, ...] = ()


class Status(Reply, frozen=True, kw_only=True):
    """`GET /omlx/v1/status`."""

    daemon: DaemonInfo
    models: tuple[SlotInfo, ...] = ()
    running: int = 0
    queued: int = 0
    requests_total: int = 0
    memory_limit_bytes: int = 0
    memory_used_bytes: int = 0
    memory: MemoryStatus = MemoryStatus()


class Capabilities(msgspec.Struct, frozen=True, kw_only=True):
    """What a model can do beside writing text."""

    tools: bool = False
    """Whether it is shown tools, and its calls of them are understood."""
    reasoning: bool = False
    """Whether it reasons before it answers, or can be told to."""
    vision: bool = False
    json_schema: bool = False
    """Whether its answers can be held to a JSON schema."""


class ModelInfo(msgspec.Struct, frozen=True, kw_only=True):
    """One model on disk: a row of `omlx ls`."""

    name: str
    source: str
    """`omlx`, `hub`, `lmstudio` or `local`."""
    path: str
    size_bytes: int
    architecture: str = ""
    quantization: str = ""
    context_tokens: int = 0
    modified_at: str = ""
    loaded: bool = False
    pinned: bool = False
    aliases: tuple[str, ...] = ()
    problem: str = ""
    """Why it cannot be loaded, or empty."""
    capabilities: Capabilities = Capabilities()


class ModelsReply(Reply, frozen=True, kw_only=True):
    """`GET /omlx/v1/models`."""

    models: tuple[ModelInfo, ...] = ()


class ModelDetail(Reply, frozen=True, kw_only=True):
    """`POST /omlx/v1/models/show`."""

    model: ModelInfo
    fingerprint: str = ""
    """Of the files alone."""
    namespace: str = ""
    """Where the KV cache keeps its blocks, by its files and settings as they are: a row of `omlx cache ls`."""
    origin: str = ""
    """Where it was pulled from."""
    license: str = ""
    parameters: int = 0
    chat_template: str = ""
    kv_store_bits: int = 16
    """Bits in which the KV cache stores its rows; 16 stores them as they are."""
    adapter: str = ""
    """The folder of the adapter that it is loaded with."""
    adapter_bytes: int = 0
    """What that takes as stored."""
    config: dict[str, object] = {}


class ModelBody(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Body of show, rm, unload, pin and unpin."""

    model: str


class LoadBody(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Body of load; `ttl` as in `10m` or `never`, empty for the configured one."""

    model: str
    ttl: str = ""


class UnloadBody(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Body of unload; `force` ends running requests and unloads pinned models."""

    model: str
    force: bool = False


class PullBody(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Body of pull: a short name, a hub id, or an absolute path; `name` to store it under."""

    model: str
    name: str = ""


class SlotReply(Reply, frozen=True, kw_only=True):
    """Answer of load, pin and unpin: the model's row."""

    model: SlotInfo


class LoadEstimate(Reply, frozen=True, kw_only=True):
    """`POST /omlx/v1/models/estimate`: what a load would take, and whether it would fit. Nothing is loaded."""

    model: str
    needed_bytes: int
    room_bytes: int
    """What may be taken now, without unloading anything."""
    fits: bool
    verdict: str
    """The answer in a sentence."""
    unloads: tuple[str, ...] = ()
    """Idle models that would have to go."""
    advice: str = ""
    """What would make it fit, or empty."""
    need: tuple[MemoryTerm, ...] = ()
    """The terms of `needed_bytes`, which is their sum."""
    have: tuple[MemoryTerm, ...] = ()
    """The terms that decide about the room."""


class Done(Reply, frozen=True, kw_only=True):
    """Answer of a command that only acts."""

    message: str = ""


class PullProgress(msgspec.Struct, frozen=True, kw_only=True, tag="progress"):
    """Bytes so far of one step of a pull; `total_bytes` 0 where it is not known."""

    step: str
    """`resolve`, `download`, `verify`, `convert` or `publish`."""
    detail: str = ""
    done_bytes: int = 0
    total_bytes: int = 0


class PullDone(msgspec.Struct, frozen=True, kw_only=True, tag="done"):
    """The pull ended well; `changed` is false where the model was there already."""

    model: ModelInfo
    changed: bool = True


class PullFailed(msgspec.Struct, frozen=True, kw_only=True, tag="failed"):
    """The pull ended badly; what was fetched is kept for the next try."""

    error: ErrorBody


PullEvent = PullProgress | PullDone | PullFailed
