"""`config.toml` as one typed, frozen object. Unknown keys are refused by name."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Annotated, Literal

import msgspec

from omlx_cli.contract import files, storage
from omlx_cli.contract.errors import Code, OmlxError
from omlx_cli.contract.model_options import ModelOptions, check_models, key_of
from omlx_cli.contract.units import parse_duration_s, parse_size_bytes

Port = Annotated[int, msgspec.Meta(ge=0, le=65535)]
Positive = Annotated[int, msgspec.Meta(ge=1)]


_UNKNOWN_KEY = re.compile(r"Object contains unknown field `(?P<field>[^`]*)`( - at `\$(?P<place>[^`]*)`)?")


class _Section(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    pass


class ServerKey(_Section, frozen=True, kw_only=True):
    """`[[server.keys]]`: a key of its own for one client, which may ask for answers but not act on the daemon."""

    name: Annotated[str, msgspec.Meta(min_length=1, max_length=100)]
    key: Annotated[str, msgspec.Meta(min_length=1)]
    priority: Literal["interactive", "normal", "batch"] = "normal"
    """The class of its requests that name none."""


class ServerSettings(_Section, frozen=True, kw_only=True):
    """`[server]`: where the daemon listens and what it accepts."""

    host: str = "127.0.0.1"
    port: Port = 8000
    api_key: str = ""
    keys: tuple[ServerKey, ...] = ()
    allowed_hosts: tuple[str, ...] = ()
    max_body: str = "64MiB"
    keep_alive: str = "10s"
    """Pause between SSE comments while a long prefill runs."""


class DaemonSettings(_Section, frozen=True, kw_only=True):
    """`[daemon]`: the daemon's own life."""

    start_timeout: str = "30s"
    stop_timeout: str = "20s"
    idle_exit: str = "never"
    """Without work or client for so long, a daemon that a connection would start again ends itself."""
    service: Literal["auto", "process"] = "auto"
    """What starts the daemon: the system's service manager where there is one, or a plain process."""
    log_level: str = "info"
    log_size: str = "10MiB"
    log_files: Positive = 5


class ModelSettings(_Section, frozen=True, kw_only=True):
    """`[model]`: defaults for every model."""

    default: str = "smollm2"
    ttl: str = "10m"
    load_timeout: str = "10m"
    min_residency: str = "30s"
    """How long a loaded model stays before another one's load may take its place."""
    context_limit: Annotated[int, msgspec.Meta(ge=0)] = 0
    """Longest prompt plus answer in tokens; 0 is what the model allows."""


class HubSettings(_Section, frozen=True, kw_only=True):
    """`[hub]`: the model hub that `omlx pull ORG/NAME` asks; empty is huggingface_hub's own default."""

    endpoint: str = ""


class SchedulerSettings(_Section, frozen=True, kw_only=True):
    """`[scheduler]`: how one worker shares its engine."""

    max_running: Positive = 256
    max_queued: Positive = 512
    stall_target: str = "300ms"


class CacheSettings(_Section, frozen=True, kw_only=True):
    """`[cache]`: the KV cache's two tiers."""

    enabled: bool = True
    dir: str = ""
    """Empty is `cache` in the home."""
    hot_max_size: str = "auto"
    """RAM of all models together: bytes, a share of the machine's memory, `auto` (10 %), or `0` for no hot tier."""
    cold_max_size: str = "auto"
    """Bytes, a share of the volume, `auto` (10 % of the volume), or `0` for no cold tier."""
    min_free: str = "5%"
    max_age: str = "never"
    max_model_share: str = "100%"
    write_policy: Literal["all", "second-hit"] = "all"
    write_budget: str = "unlimited"
    """Bytes written a day."""
    fsync: bool = False


class HealthSettings(_Section, frozen=True, kw_only=True):
    """`[health]`: when a worker that has work and makes no step is called stuck, and when it is replaced."""

    stuck_after: str = "60s"
    restart_after: str = "5m"


class MemorySettings(_Section, frozen=True, kw_only=True):
    """`[memory]`: how much the loaded models may take together."""

    limit: str = "auto"
    """Bytes, a share of the machine's memory, or `auto`: all of it but the reserve."""
    reserve: str = "auto"
    """What is left to the system and other programs; `auto` is 20 %, at least 2 GiB and at most 8 GiB."""


class AnthropicSettings(_Section, frozen=True, kw_only=True):
    """`[anthropic]`: what clients of Anthropic's API are told, and which models answer to Claude's names."""

    client_window: Annotated[int, msgspec.Meta(ge=0)] = 0
    """The context in tokens that clients believe in: counts are told as shares of it; 0 tells them as they are."""
    haiku: str = ""
    """The model that answers where a name such as `claude-haiku-4-5` is asked for."""
    sonnet: str = ""
    opus: str = ""
    default: str = ""
    """The model that answers to every other `claude-...` name."""


class PromptSettings(_Section, frozen=True, kw_only=True):
    """`[prompts]`: the rules by which prompts are made stable; `contract.prompt_rules` says what each does."""

    attribution_header: bool = True
    token_counter: bool = True
    clock: bool = False
    tools_order: bool = True
    tools_json: bool = True
    arguments_json: bool = True
    system_in_place: bool = True
    whitespace: bool = True

    @property
    def names(self) -> frozenset[str]:
        """The rules that are on."""
        return frozenset(name for name in self.__struct_fields__ if getattr(self, name))


class Settings(_Section, frozen=True, kw_only=True):
    """All of `config.toml`."""

    server: ServerSettings = ServerSettings()
    daemon: DaemonSettings = DaemonSettings()
    model: ModelSettings = ModelSettings()
    hub: HubSettings = HubSettings()
    scheduler: SchedulerSettings = SchedulerSettings()
    memory: MemorySettings = MemorySettings()
    health: HealthSettings = HealthSettings()
    cache: CacheSettings = CacheSettings()
    prompts: PromptSettings = PromptSettings()
    anthropic: AnthropicSettings = AnthropicSettings()
    models: dict[str, ModelOptions] = {}


_DURATIONS = (
    "model.load_timeout",
    "model.min_residency",
    "server.keep_alive",
    "daemon.start_timeout",
    "daemon.stop_timeout",
    "model.ttl",
)
_SIZES = ("server.max_body", "daemon.log_size")
_NAMED_SIZES = {
    "memory.limit": ("auto",),
    "memory.reserve": ("auto",),
    "cache.hot_max_size": ("auto",),
    "cache.cold_max_size": ("auto",),
    "cache.min_free": (),
    "cache.max_model_share": (),
    "cache.write_budget": ("unlimited",),
}
_LOG_LEVELS = ("debug", "info", "warning", "error")


def load(path: Path) -> Settings:
    """Return the settings in `path`; the defaults where it is missing. Raises OmlxError(INVALID_CONFIG)."""
    try:
        text = files.read_text(path)
    except FileNotFoundError:
        return Settings()
    except OSError as error:
        raise OmlxError(
            Code.INVALID_CONFIG, f"cannot read {path}: {storage.reason(error)}", storage.advice(error)
        ) from error
    except UnicodeDecodeError as error:
        raise OmlxError(
            Code.INVALID_CONFIG, f"{path} is not UTF-8 text: {error.reason}", "mend it, or move it away"
        ) from error
    return parse(text, str(path))


def parse(text: str, origin: str) -> Settings:
    """Return the settings in TOML `text`; errors name `origin` and the key. Raises OmlxError(INVALID_CONFIG)."""
    try:
        document = tomllib.loads(text)
        settings = msgspec.convert(document, Settings)
    except tomllib.TOMLDecodeError as error:
        raise _invalid(origin, error) from error
    except msgspec.ValidationError as error:
        raise _invalid(origin, _named(document, error)) from error
    check(settings, origin)
    return settings


def check(settings: Settings, origin: str) -> None:
    """See that every unit can be read; errors name `origin` and the key. Raises OmlxError(INVALID_CONFIG)."""
    try:
        _check_units(settings)
    except ValueError as error:
        raise _invalid(origin, error) from error


def _invalid(origin: str, error: Exception) -> OmlxError:
    return OmlxError(Code.INVALID_CONFIG, f"{origin}: {error}", "omlx config get  lists the keys and their values")


def _named(document: dict[str, object], error: msgspec.ValidationError) -> Exception:
    """Return `error` with the name of the model whose table is at fault, which msgspec does not tell."""
    models = document.get("models")
    for name, table in models.items() if isinstance(models, dict) else ():
        try:
            msgspec.convert(table, ModelOptions)
        except msgspec.ValidationError as fault:
            problem, _, place = str(fault).partition(" - at `$.")
            key = key_of(name, place.rstrip("`")).rstrip(".")
            return ValueError(f"{key}: {problem}")
    return _unknown(str(error)) or error


def _unknown(problem: str) -> Exception | None:
    """Return what to say of a key that is none of ours, such as a newer omlx's; None where that is not the problem."""
    found = _UNKNOWN_KEY.fullmatch(problem)
    if found is None:
        return None
    key = ".".join(part for part in ((found["place"] or "").lstrip("."), found["field"]) if part)
    return ValueError(f"{key} is no setting of this omlx; a newer one may have it")


def _check_units(settings: Settings) -> None:
    for key in (*_DURATIONS, "daemon.idle_exit", "scheduler.stall_target", "cache.max_age"):
        _check(settings, key, parse_duration_s)
    for key, words in _NAMED_SIZES.items():
        _check(settings, key, partial(_size_or, words))
    for key in _SIZES:
        _check(settings, key, lambda text: parse_size_bytes(text, base_bytes=1 << 40))
    _check_health(settings)
    _check_keys(settings.server)
    check_models(settings.models)
    if settings.daemon.log_level not in _LOG_LEVELS:
        raise ValueError(f"daemon.log_level: {settings.daemon.log_level!r} is none of {', '.join(_LOG_LEVELS)}")


def _check_health(settings: Settings) -> None:
    for key in ("health.stuck_after", "health.restart_after"):
        _check(settings, key, parse_duration_s)
    health = settings.health
    stuck_s = parse_duration_s(health.stuck_after)
    if stuck_s < 1:
        raise ValueError(f"health.stuck_after: {health.stuck_after!r} is under 1s; a long step is not stuck")
    if parse_duration_s(health.restart_after) < stuck_s:
        raise ValueError(f"health.restart_after: {health.restart_after!r} is before health.stuck_after")


def _check_keys(server: ServerSettings) -> None:
    seen: set[str] = {server.api_key}
    names: set[str] = set()
    for one in server.keys:
        if one.key in seen or one.name in names:
            raise ValueError(f"server.keys: {one.name!r} has a name or key that another one has")
        seen.add(one.key)
        names.add(one.name)


def _size_or(words: tuple[str, ...], text: str) -> float:
    return 0 if text in words else parse_size_bytes(text, base_bytes=1 << 40)


def _check(settings: Settings, key: str, parse_value: Callable[[str], float]) -> None:
    section, name = key.split(".")
    try:
        parse_value(getattr(getattr(settings, section), name))
    except ValueError as error:
        raise ValueError(f"{key}: {error}") from error
