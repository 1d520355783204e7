"""What an agent is told, and in which form it takes it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

NO_KEY = "omlx"
"""Stands for the key where none is needed: most clients refuse to start without one."""


@dataclass(frozen=True, slots=True)
class Target:
    """Where the daemon answers, and as which model. `base_url` has no path; `context_tokens` 0 is not known.

    `says_window` where the settings do not say already which context clients of Anthropic's API believe in.
    """

    base_url: str
    model: str
    key: str = ""
    context_tokens: int = 0
    says_window: bool = False

    @property
    def openai_url(self) -> str:
        """The base of OpenAI's routes."""
        return f"{self.base_url}/v1"

    @property
    def any_key(self) -> str:
        """The key, or what stands for it."""
        return self.key or NO_KEY


@dataclass(frozen=True, slots=True)
class Launch:
    """How an agent's program is run: variables that it gets, those that it must not see, its first arguments."""

    environment: Mapping[str, str]
    cleared: tuple[str, ...] = ()
    arguments: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Place:
    """Where an agent keeps its settings: the user's home, and variables that may move them."""

    home: Path
    environ: Mapping[str, str] = field(default_factory=dict)

    def folder(self, variable: str, *default: str) -> Path:
        """Return the folder that `variable` names, else the default one in the home."""
        named = self.environ.get(variable)
        return Path(named) if named else self.home.joinpath(*default)


@dataclass(frozen=True, slots=True)
class Configuration:
    """What would stand in an agent's own settings: `values` are merged into the JSON or TOML file at `path`.

    A file that `holds_key` is its owner's alone to read.
    """

    path: Path
    values: Mapping[str, object]
    holds_key: bool = False


@dataclass(frozen=True, slots=True)
class Agent:
    """One coding agent. `install` says where its program comes from."""

    program: str
    install: str
    launch: Callable[[Target], Launch]
    configuration: Callable[[Target, Place], Configuration]
