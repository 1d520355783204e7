"""What a shell offers for a value: words that are known now, or names from a file that the daemon keeps."""

from __future__ import annotations

import tomllib
from collections.abc import Callable
from pathlib import Path

import msgspec

from omlx_cli.commands.help import EXIT_CODES
from omlx_cli.contract.paths import Paths
from omlx_cli.contract.settings import Settings
from scripts.generate.tree import Command, Kind, Value

_CATALOG = Path(__file__).parents[2] / "omlx_daemon" / "models" / "catalog.toml"
_PATHS = Paths(Path("/"))
_FILES = {Kind.MODEL: _PATHS.model_names.name, Kind.LOADED: _PATHS.loaded_names.name}
FILES = (Kind.FILE, Kind.SOURCE)


def names_file(value: Value) -> str:
    """Return the file in the home's `run` that holds the names, or nothing."""
    return _FILES.get(value.kind, "")


def words(root: Command, value: Value) -> tuple[str, ...]:
    """Return the words that are offered, none where they are not known."""
    known: dict[Kind, Callable[[], tuple[str, ...]]] = {
        Kind.CHOICE: lambda: value.choices,
        Kind.KEY: setting_keys,
        Kind.COMMAND: lambda: (*(below.words[-1] for below in root.commands), EXIT_CODES),
        Kind.SOURCE: catalog_names,
    }
    return known.get(value.kind, tuple)()


def catalog_names() -> tuple[str, ...]:
    """Return the short names that `omlx pull` knows by itself."""
    entries = tomllib.loads(_CATALOG.read_text(encoding="utf-8"))["model"]
    return tuple(sorted({str(name) for entry in entries for name in (entry["name"], *entry.get("aliases", ()))}))


def setting_keys() -> tuple[str, ...]:
    """Return the keys that `omlx config` knows without a model's name in them."""
    return tuple(sorted(_keys(Settings)))


def _keys(struct: type[msgspec.Struct], prefix: str = "") -> list[str]:
    found = []
    for field in msgspec.structs.fields(struct):
        name = f"{prefix}{field.encode_name}"
        if isinstance(field.type, type) and issubclass(field.type, msgspec.Struct):
            found += _keys(field.type, f"{name}.")
        elif field.encode_name not in ("models", "keys"):
            found.append(name)
    return found
