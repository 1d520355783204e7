"""The settings of coding agents, read and never written: which URL each asks, and whether it has a key."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import msgspec

from omlx_cli.agents.agent import NO_KEY
from omlx_cli.contract import files

_JSONC = re.compile(r'(?P<text>"(?:\\.|[^"\\])*")|//[^\n]*|/\*.*?\*/|,(?=\s*[}\]])', re.DOTALL)
_ENV_LINE = re.compile(r"^\s*(?:export\s+)?(\w+)\s*=\s*(.*?)\s*$", re.MULTILINE)


@dataclass(frozen=True, slots=True)
class Setting:
    """A base URL, the variable or file that says so, and whether a key goes with it."""

    url: str
    variable: str
    file: str
    has_key: bool

    @property
    def place(self) -> str:
        """Where it stands, in words."""
        return " in ".join(part for part in (self.variable, self.file) if part)


@dataclass(frozen=True, slots=True)
class Shell:
    """The user's environment, home and current folder."""

    environ: Mapping[str, str]
    home: Path
    folder: Path

    def path(self, variable: str, default: str) -> Path:
        """Return the folder that a variable names, else one below the home."""
        return Path(self.environ.get(variable) or self.home / default).expanduser()


class Unreadable(Exception):
    """Settings that the agent could not read either."""

    def __init__(self, place: str, why: str) -> None:
        super().__init__(f"{place} {why}")
        self.place = place


@dataclass(frozen=True, slots=True)
class Reader:
    """One agent. `path` is what its base URL ends in; `settings` yields what it goes by, the strongest first."""

    path: str
    settings: Callable[[Shell], Iterator[Setting]]


def claude(shell: Shell) -> Iterator[Setting]:
    """Yield the settings of Claude Code: what its files put into its environment, then the shell's own."""
    keys = ("ANTHROPIC_AUTH_TOKEN", "ANTHROPIC_API_KEY")
    folder = shell.path("CLAUDE_CONFIG_DIR", ".claude")
    project = shell.folder / ".claude"
    for file in (project / "settings.local.json", project / "settings.json", folder / "settings.json"):
        found = _json(file)
        yield from _of_environment(_table(found, "env"), "ANTHROPIC_BASE_URL", keys, str(file), "apiKeyHelper" in found)
    yield from _of_environment(shell.environ, "ANTHROPIC_BASE_URL", keys)


def codex(shell: Shell) -> Iterator[Setting]:
    """Yield the settings of Codex: the provider that its `config.toml` chooses, then the environment."""
    file = shell.path("CODEX_HOME", ".codex") / "config.toml"
    found = _toml(file)
    profile = _table(_table(found, "profiles"), str(found.get("profile", "")))
    provider = str(profile.get("model_provider") or found.get("model_provider") or "openai")
    chosen = _table(_table(found, "model_providers"), provider)
    if url := str(chosen.get("base_url") or (found.get("openai_base_url", "") if provider == "openai" else "")):
        variable = str(chosen.get("env_key", ""))
        has_key = _is_key(shell.environ.get(variable) or chosen.get("experimental_bearer_token"))
        yield Setting(url, "", str(file), has_key)
    elif provider == "openai":
        yield from _of_environment(shell.environ, "OPENAI_BASE_URL", ("OPENAI_API_KEY",))


def opencode(shell: Shell) -> Iterator[Setting]:
    """Yield the settings of opencode: the provider of the chosen model, then every other that has a URL."""
    folder = shell.path("XDG_CONFIG_HOME", ".config") / "opencode"
    named = [Path(shell.environ["OPENCODE_CONFIG"])] if shell.environ.get("OPENCODE_CONFIG") else []
    files = [*named, *(base / f"opencode.{end}" for base in (shell.folder, folder) for end in ("json", "jsonc"))]
    given = "OPENCODE_CONFIG_CONTENT"
    yield from _of_providers(_decoded(shell.environ.get(given, ""), given), variable=given)
    for file in files:
        yield from _of_providers(_json(file), file=str(file))


def qwen(shell: Shell) -> Iterator[Setting]:
    """Yield the settings of Qwen Code: its `settings.json`, its `.env` files, then the environment."""
    name, keys = "OPENAI_BASE_URL", ("OPENAI_API_KEY",)
    for folder in (shell.folder / ".qwen", shell.home / ".qwen"):
        file = folder / "settings.json"
        found = _json(file)
        own = {**shell.environ, **_table(found, "env")}
        yield from _of_models(found, own, str(file))
        auth = _table(_table(found, "security"), "auth")
        if url := auth.get("baseUrl"):
            yield Setting(str(url), "", str(file), _is_key(auth.get("apiKey") or own.get(keys[0])))
        yield from _of_environment(_table(found, "env"), name, keys, str(file))
        yield from _of_environment(_dotenv(folder / ".env"), name, keys, str(folder / ".env"))
    yield from _of_environment(shell.environ, name, keys)


READERS = {
    "claude": Reader("", claude),
    "codex": Reader("/v1", codex),
    "opencode": Reader("/v1", opencode),
    "qwen": Reader("/v1", qwen),
}
"""By the names of `omlx_cli.agents`."""


def variables(environ: Mapping[str, str]) -> Iterator[tuple[Setting, str]]:
    """Yield the base URLs that the environment names for clients of any kind, with what each should end in."""
    for name, path, keys in (
        ("ANTHROPIC_BASE_URL", "", ("ANTHROPIC_AUTH_TOKEN", "ANTHROPIC_API_KEY")),
        ("OPENAI_BASE_URL", "/v1", ("OPENAI_API_KEY",)),
        ("OPENAI_API_BASE", "/v1", ("OPENAI_API_KEY",)),
    ):
        yield from ((setting, path) for setting in _of_environment(environ, name, keys))


def _of_providers(found: Mapping[str, Any], variable: str = "", file: str = "") -> Iterator[Setting]:
    """Yield the providers of opencode's settings, that of the chosen model first."""
    providers = _table(found, "provider")
    chosen = str(found.get("model", "")).partition("/")[0]
    for name in sorted(providers, key=lambda name: name != chosen):
        options = _table(_table(providers, name), "options")
        if url := options.get("baseURL"):
            yield Setting(str(url), variable, file, _is_key(options.get("apiKey")))


def _of_models(found: Mapping[str, Any], environ: Mapping[str, Any], file: str) -> Iterator[Setting]:
    """Yield where Qwen Code asks for the model that is chosen in its settings."""
    chosen = _table(found, "model").get("name")
    models = _table(found, "modelProviders").get("openai")
    for model in models if isinstance(models, list) else ():
        if isinstance(model, dict) and model.get("id") == chosen and model.get("baseUrl"):
            yield Setting(str(model["baseUrl"]), "", file, _is_key(environ.get(str(model.get("envKey", "")))))


def _is_key(value: object) -> bool:
    """Tell whether a value is a key, and not what stands for one where none is needed."""
    return bool(value) and value != NO_KEY


def _of_environment(
    environ: Mapping[str, Any], name: str, keys: tuple[str, ...], file: str = "", has_key: bool = False
) -> Iterator[Setting]:
    if environ.get(name):
        yield Setting(str(environ[name]), name, file, has_key or any(_is_key(environ.get(key)) for key in keys))


def _json(file: Path) -> dict[str, Any]:
    return _decoded(_text(file), str(file))


def _decoded(text: str, place: str) -> dict[str, Any]:
    """Return a JSON object, comments and last commas left out. Raises Unreadable."""
    try:
        found = msgspec.json.decode(_JSONC.sub(lambda match: match["text"] or "", text).strip() or "{}")
    except msgspec.DecodeError as error:
        raise Unreadable(place, f"is no JSON: {error}") from error
    return found if isinstance(found, dict) else {}


def _toml(file: Path) -> dict[str, Any]:
    try:
        return tomllib.loads(_text(file))
    except tomllib.TOMLDecodeError as error:
        raise Unreadable(str(file), f"is no TOML: {error}") from error


def _dotenv(file: Path) -> dict[str, str]:
    return {name: value.strip("\"'") for name, value in _ENV_LINE.findall(_text(file))}


def _text(file: Path) -> str:
    try:
        return files.read_text(file, "utf-8-sig")
    except (FileNotFoundError, NotADirectoryError):
        return ""
    except (OSError, UnicodeDecodeError) as error:
        raise Unreadable(str(file), f"cannot be read: {getattr(error, 'strerror', None) or error}") from error


def _table(found: Mapping[str, Any], name: str) -> dict[str, Any]:
    inner = found.get(name)
    return inner if isinstance(inner, dict) else {}
