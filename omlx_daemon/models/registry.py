"""The models on disk: omlx's own, those in the hub cache, and LM Studio's."""

from __future__ import annotations

import logging
import os
from collections.abc import Iterator
from pathlib import Path

import msgspec

from omlx_cli.contract import storage
from omlx_cli.contract.errors import Code, OmlxError
from omlx_cli.contract.paths import Paths
from omlx_cli.contract.settings import Settings
from omlx_daemon.core.errors import model_not_found
from omlx_daemon.core.models import ModelSpec
from omlx_daemon.core.namesfile import NamesFile
from omlx_daemon.core.options import Options
from omlx_daemon.models import catalog, folder, hubcache, lmstudio, names, origin
from omlx_daemon.models.adapters import Adapters

OWN, HUB, LMSTUDIO, LOCAL = "omlx", "hub", "lmstudio", "local"
HIDDEN = "."
"""What begins so in the models folder is a pull in the making."""

_log = logging.getLogger(__name__)


class Registry:
    """Finds models by name. `scan` reads directories and small JSON files, no weights; it never raises."""

    def __init__(self, paths: Paths, settings: Settings, options: Options | None = None) -> None:
        """Look into the home and where other programs keep models; `options` is for settings that change later."""
        self._paths = paths
        self._options = options or Options(settings.models)
        self._adapters = Adapters(paths.home, self._options)
        self._hub_cache = hubcache.location()
        self._catalog = _catalog(paths.home)
        self._published = NamesFile(paths.model_names)
        self._specs: tuple[ModelSpec, ...] = ()
        self._by_name: dict[str, ModelSpec] = {}
        self.unreadable = ""
        """Why models may be here that the last scan did not see, or empty."""
        self.unseen = ""
        """The same, or why one of them was not seen as it is set up."""

    @property
    def models_folder(self) -> Path:
        """Where omlx keeps the models that it imported."""
        return self._paths.models

    def scan(self) -> list[ModelSpec]:
        """Look at every place again and return the models found, by name; the first place wins a name."""
        found: dict[str, ModelSpec] = {}
        self.unreadable = _unreadable(self._paths.models, self._hub_cache)
        for spec in (*self._own(), *self._from_hub(), *self._from_lmstudio()):
            found.setdefault(spec.name.lower(), spec)
        found = self._named(found)
        specs = tuple(sorted(found.values(), key=lambda spec: spec.name.lower()))
        aliases = {alias.lower(): spec for spec in specs for alias in spec.aliases}
        self._by_name, self._specs = aliases | found, specs
        self._published.publish(self.names())
        found_as_set = [self._adapters.put_on(spec) for spec in specs]
        self.unseen = self.unreadable or next(
            (f"{spec.name}: {spec.problem}" for spec in found_as_set if spec.remedy), ""
        )
        return found_as_set

    def resolve(self, name: str) -> ModelSpec:
        """Return the model called `name`: its name, a short name, a hub id in any case, or the path of a folder.

        Raises OmlxError(MODEL_NOT_FOUND).
        """
        return self._adapters.put_on(self._resolved(name))

    def _resolved(self, name: str) -> ModelSpec:
        if names.is_path(name):
            return self._at_path(name)
        spec = self._find(name)
        if spec is None:
            self.scan()
            spec = self._find(name)
        if spec is not None and Path(spec.path).is_dir():
            return spec
        raise self._not_found(name)

    def names(self) -> list[str]:
        """Return every name and alias of the last scan, sorted."""
        return sorted({name for spec in self._specs for name in (spec.name, *spec.aliases)})

    def _named(self, found: dict[str, ModelSpec]) -> dict[str, ModelSpec]:
        """Return the models with the aliases that the settings give them; what a model is called by itself stays."""
        own = {alias.lower(): name for name, spec in found.items() for alias in spec.aliases}
        named = dict(found)
        for key, given in self._options.aliases().items():
            spec = named.get(key.lower()) or named.get(own.get(key.lower(), ""))
            new = [alias for alias in given if alias.lower() not in found and alias.lower() not in own]
            if spec is not None and new:
                named[spec.name.lower()] = msgspec.structs.replace(spec, aliases=(*spec.aliases, *new))
        return named

    def _find(self, name: str) -> ModelSpec | None:
        entry = self._catalog.find(name)
        known = self._by_name
        return known.get(name.lower()) or (known.get((entry.hub or entry.name).lower()) if entry else None)

    def _at_path(self, text: str) -> ModelSpec:
        path = Path(text).expanduser().resolve()
        if not (path / folder.CONFIG).is_file():
            raise OmlxError(Code.MODEL_NOT_FOUND, f"there is no model at {text}", param="model")
        known = next((spec for spec in self._specs if Path(spec.path).resolve() == path), None)
        return known or _spec(str(path), path, LOCAL, folder.look(path))

    def _not_found(self, name: str) -> OmlxError:
        if self.unreadable:
            return OmlxError(
                Code.MODEL_NOT_FOUND, f"model {name!r} is not to be seen: {self.unreadable}", param="model"
            )
        entry = self._catalog.find(name)
        if entry is not None or names.is_hub_id(name):
            return OmlxError(
                Code.MODEL_NOT_FOUND, f"model {name!r} is not here", f"omlx pull {name}  fetches it", param="model"
            )
        return model_not_found(name, [*self.names(), *self._catalog.names()])

    def _own(self) -> Iterator[ModelSpec]:
        for path in _folders(self._paths.models):
            record = origin.read(path) or origin.Origin(name=path.name.replace("@", ":"))
            yield _spec(record.name, path, OWN, folder.look(path), record)

    def _from_hub(self) -> Iterator[ModelSpec]:
        for hub_id, path in hubcache.snapshots(self._hub_cache):
            facts = folder.look(path)
            if not facts.is_text_model or (facts.problem and not facts.weights_bytes):
                continue
            entry = self._catalog.for_hub(hub_id)
            record = origin.Origin(
                name=hub_id, aliases=(entry.name, *entry.aliases) if entry else (), origin=f"hub: {hub_id}"
            )
            yield _spec(hub_id, path, HUB, facts, record)

    def _from_lmstudio(self) -> Iterator[ModelSpec]:
        for root in lmstudio.locations():
            for name, path in lmstudio.folders(root):
                facts = folder.look(path)
                if facts.is_text_model and facts.weights_bytes:
                    yield _spec(name, path, LMSTUDIO, facts)


def _catalog(home: Path) -> catalog.Catalog:
    try:
        return catalog.load(home)
    except OmlxError as error:
        _log.warning("%s", error)
        return catalog.built_in()


def _unreadable(*roots: Path) -> str:
    """Return why one of these folders cannot be read; one that is not there holds nothing."""
    for root in roots:
        try:
            with os.scandir(root):
                continue
        except FileNotFoundError:
            continue
        except OSError as error:
            _log.warning("%s cannot be read: %s", root, storage.reason(error))
            return f"{root} cannot be read: {storage.reason(error)}; {storage.advice(error)}"
    return ""


def _folders(root: Path) -> list[Path]:
    try:
        return sorted(path for path in root.iterdir() if not path.name.startswith(HIDDEN) and path.is_dir())
    except OSError:
        return []


def _spec(name: str, path: Path, source: str, facts: folder.Facts, record: origin.Origin | None = None) -> ModelSpec:
    return ModelSpec(
        name=name,
        path=str(path),
        source=source,
        weights_bytes=facts.weights_bytes,
        architecture=facts.architecture,
        quantization=facts.quantization,
        context_tokens=facts.context_tokens,
        kv_values_per_token=facts.kv_values[0],
        kv_values_fixed=facts.kv_values[1],
        modified_at_s=facts.modified_at_s,
        origin=record.origin if record else "",
        license=(record.license if record else "") or facts.license,
        aliases=record.aliases if record else (),
        problem=facts.problem,
    )
