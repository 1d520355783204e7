"""Which namespace of the KV cache belongs to a model as it lies on the disk now, and as it is configured."""

from __future__ import annotations

import hashlib
import logging
from collections.abc import Iterable
from pathlib import Path

from omlx_daemon.core import adapters
from omlx_daemon.core.models import ModelSpec
from omlx_daemon.core.options import Options
from omlx_daemon.models import detail, fingerprint, tensorfile

_log = logging.getLogger(__name__)
_VERSION = "omlx namespace 1"
_DIGITS = 12
_NO_ADAPTER = "none"

Signature = tuple[object, ...]


class Namespaces:
    """Names namespaces by fingerprint and store precision. Reads files: call it on a thread."""

    def __init__(self, options: Options) -> None:
        self._options = options
        self._known: dict[tuple[str, str], tuple[Signature, dict[str, bytes]]] = {}

    def bits(self, spec: ModelSpec) -> int:
        """Return with how many bits a model's rows are stored."""
        return self._options.of(spec).kv_store_bits

    def of(self, spec: ModelSpec) -> str:
        """Return a model's namespace, empty where its files cannot be read."""
        try:
            digits = fingerprint.combined(self._parts(spec))
        except (OSError, ValueError, tensorfile.BadTensorFile) as error:
            _log.warning("%s is not kept on disk: its files cannot be read: %s", spec.name, error)
            return ""
        text = f"{_VERSION} {digits} {self.bits(spec)}"
        return hashlib.sha256(text.encode()).hexdigest()

    def details(self, spec: ModelSpec) -> dict[str, str]:
        """Return a few digits of each thing that a model's namespace stands for; nothing where they cannot be read."""
        try:
            found = self._parts(spec)
        except (OSError, ValueError, tensorfile.BadTensorFile):
            return {}
        digits = {label: hashlib.sha256(value).hexdigest()[:_DIGITS] for label, value in found.items()}
        adapter = " ".join(digits.pop(name) for name in adapters.FILES if name in digits)
        return {**digits, "adapter": adapter or _NO_ADAPTER, "kv_store_bits": str(self.bits(spec))}

    def all(self, specs: Iterable[ModelSpec]) -> frozenset[str]:
        """Return the namespaces of all these models."""
        return frozenset(self.by_model(specs).values())

    def by_model(self, specs: Iterable[ModelSpec]) -> dict[str, str]:
        """Return the namespaces of these models by their names, but for those that cannot be loaded."""
        return {spec.name: found for spec in specs if not spec.problem and (found := self.of(spec))}

    def _parts(self, spec: ModelSpec) -> dict[str, bytes]:
        """Return what a model's fingerprint covers, read again only where one of its files has changed."""
        path, adapter = Path(spec.path), Path(spec.adapter.path) if spec.adapter else None
        signature = _signature(path, adapter)
        key = (spec.path, str(adapter or ""))
        known = self._known.get(key)
        if known is None or known[0] != signature:
            found = fingerprint.parts(path, cache_layout=detail.cache_layout(), adapter=adapter)
            known = self._known[key] = (signature, found)
        return known[1]


def _signature(folder: Path, adapter: Path | None) -> Signature:
    found = [(file.name, file.stat()) for file in sorted(folder.iterdir()) if file.is_file()]
    own = ((name, stat.st_size, stat.st_mtime_ns, stat.st_ino) for name, stat in found)
    return (*own, adapters.stamp(adapter) if adapter else "")
