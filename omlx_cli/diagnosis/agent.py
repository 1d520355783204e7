"""The settings of coding agents, read and never written: which URL each asks, and whether it has a key."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import msgspec

_JSONC = re.compile(r'(?P<text>"(?:\\.|[^"\\])*")|//[^\n]*|/\*.*?\*/|,(?=\s*[}\]])', re.DOTALL)
_ENV_LINE = re.compile(r"^\s*(?:export\s+)?(\w+)\s*=\s*(.*?)\s*$", re.MULTILINE)


@dataclass(frozen=True, slots=True)
class Setting:
    """A base URL, the variable or file that says so, and whether a key goes with it."""

    url: str
    place: str
    has_key: bool


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
    """A settings file that the agent could not read either; the message names it."""


@dataclass(frozen=True, slots=True)
class Agent:
    """One program. `path` is what its base URL ends in; `settings` yields what it goes by, the strongest first."""

    name: str
    variable: str
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
        has_key = bool(shell.environ.get(variable) or chosen.get("experimental_bearer_token"))
        yield Setting(url, str(file), has_key)
    elif provider == "openai":
        yield from _of_environment(shell.environ, "OPENAI_BASE_URL", ("OPENAI_API_KEY",))


def opencode(shell: Shell) -> Iterator[Setting]:
    """Yield the settings of opencode: the provider of the chosen model, then every other that has a URL."""
    folder = shell.path("XDG_CONFIG_HOME", ".config") / "opencode"
    named = [Path(shell.environ["OPENCODE_CONFIG"])] if shell.environ.get("OPENCODE_CONFIG") else []
    files = [*named, *(base / f"opencode.{end}" for base in (shell.folder, folder) for end in ("json", "jsonc"))]
    for file in files:
        found = _json(file)
        providers = _table(found, "provider")
        chosen = str(found.get("model", "")).partition("/")[0]
        for name in sorted(providers, key=lambda name: name != chosen):
            options = _table(_table(providers, name), "options")
            if url := options.get("baseURL"):
                yield Setting(str(url), str(file), bool(options.get("apiKey")))


def qwen(shell: Shell) -> Iterator[Setting]:
    """Yield the settings of Qwen Code: its `settings.json`, its `.env` files, then the environment."""
    name, keys = "OPENAI_BASE_URL", ("OPENAI_API_KEY",)
    for folder in (shell.folder / ".qwen", shell.home / ".qwen"):
        file = folder / "settings.json"
        found = _json(file)
        auth = _table(_table(found, "security"), "auth")
        if url := auth.get("baseUrl"):
            yield Setting(str(url), str(file), bool(auth.get("apiKey") or shell.environ.get(keys[0])))
        yield from _of_environment(_table(found, "env"), name, keys, str(file))
        yield from _of_environment(_dotenv(folder / ".env"), name, keys, str(folder / ".env"))
    yield from _of_environment(shell.environ, name, keys)


AGENTS = (
    Agent("claude", "ANTHROPIC_BASE_URL", "", claude),
    Agent("codex", "OPENAI_BASE_URL", "/v1", codex),
    Agent("opencode", "OPENAI_BASE_URL", "/v1", opencode),
    Agent("qwen", "OPENAI_BASE_URL", "/v1", qwen),
)


def variables(environ: Mapping[str, str]) -> Iterator[tuple[Setting, str]]:
    """Yield the base URLs that the environment names for clients of any kind, with what each should end in."""
    for name, path, keys in (
        ("ANTHROPIC_BASE_URL", "", ("ANTHROPIC_AUTH_TOKEN", "ANTHROPIC_API_KEY")),
        ("OPENAI_BASE_URL", "/v1", ("OPENAI_API_KEY",)),
        ("OPENAI_API_BASE", "/v1", ("OPENAI_API_KEY",)),
    ):
        yield from ((setting, path) for setting in _of_environment(environ, name, keys))


def _of_environment(
    environ: Mapping[str, Any], name: str, keys: tuple[str, ...], file: str = "", has_key: bool = False
) -> Iterator[Setting]:
    if environ.get(name):
        place = f"{name} in {file}" if file else name
        yield Setting(str(environ[name]), place, has_key or any(environ.get(key) for key in keys))


def _json(file: Path) -> dict[str, Any]:
    """Return the object in a JSON file, comments and last commas left out. Raises Unreadable."""
    text = _text(file)
    try:
        found = msgspec.json.decode(_JSONC.sub(lambda match: match["text"] or "", text) or "{}")
    except msgspec.DecodeError as error:
        raise Unreadable(f"{file} is no JSON: {error}") from error
    return found if isinstance(found, dict) else {}


def _toml(file: Path) -> dict[str, Any]:
    try:
        return tomllib.loads(_text(file))
    except tomllib.TOMLDecodeError as error:
        raise Unreadable(f"{file} is no TOML: {error}") from error


def _dotenv(file: Path) -> dict[str, str]:
    return {name: value.strip("\"'") for name, value in _ENV_LINE.findall(_text(file))}


def _text(file: Path) -> str:
    try:
        return file.read_text(encoding="utf-8-sig")
    except (FileNotFoundError, NotADirectoryError):
        return ""
    except (OSError, UnicodeDecodeError) as error:
        raise Unreadable(f"{file} cannot be read: {getattr(error, 'strerror', None) or error}") from error


def _table(found: Mapping[str, Any], name: str) -> dict[str, Any]:
    inner = found.get(name)
    return inner if isinstance(inner, dict) else {}
