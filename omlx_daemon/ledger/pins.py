"""Pinned prefixes, by label, on disk."""

from __future__ import annotations

import logging
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from omlx_cli.contract.errors import Code, OmlxError
from omlx_daemon.coldstore.layout import is_fingerprint
from omlx_daemon.coldstore.names import HASH_BYTES, PARENT_BYTES
from omlx_daemon.core import kept

MAX_LABEL = 200

_LOG = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Pin:
    """Blocks that stay, whatever their age."""

    namespace: str
    hashes: tuple[bytes, ...]
    created: str

    @property
    def prefixes(self) -> frozenset[str]:
        """The first 16 digits of each hash."""
        return frozenset(digest[:PARENT_BYTES].hex() for digest in self.hashes)


def check_label(label: str) -> None:
    """Raise OmlxError(INVALID_REQUEST) where no pin can be called so."""
    if not label or len(label) > MAX_LABEL or not label.isprintable():
        raise OmlxError(
            Code.INVALID_REQUEST, f"a pin needs a name of 1 to {MAX_LABEL} printable characters", param="label"
        )


class Pins:
    """Every pin, saved at each change."""

    def __init__(self, path: Path) -> None:
        """Read the file, or its copy. Raises OSError where there is one that cannot be read."""
        self._path = path
        self._pins = self._found()

    def __len__(self) -> int:
        return len(self._pins)

    def items(self) -> Iterator[tuple[str, Pin]]:
        """Yield label and pin, by label."""
        yield from sorted(self._pins.items())

    def get(self, label: str) -> Pin | None:
        """Return a pin, or None where there is none."""
        return self._pins.get(label)

    def prefixes(self, namespace: str) -> frozenset[str]:
        """Return what is pinned in a namespace: the first 16 digits of each hash."""
        pins = [pin.prefixes for pin in self._pins.values() if pin.namespace == namespace]
        return frozenset().union(*pins)

    def put(self, label: str, pin: Pin) -> None:
        """Add or replace a pin. Raises OSError, and then nothing changed."""
        self._save({**self._pins, label: pin})

    def take(self, label: str) -> Pin | None:
        """Remove a pin and return it, or None where there is none. Raises OSError, and then nothing changed."""
        found = self._pins.get(label)
        if found is not None:
            self._save({key: pin for key, pin in self._pins.items() if key != label})
        return found

    def renew(self) -> None:
        """Take what the directory says, which is another one by now; say it there where it says nothing.

        Raises OSError.
        """
        found = self._found()
        if found or not self._pins:
            self._pins = found
        else:
            self._save(self._pins)

    def _found(self) -> dict[str, Pin]:
        document, trouble = kept.read(self._path)
        if trouble:
            _LOG.warning("%s", trouble)
        return dict(_read(document))

    def _save(self, pins: dict[str, Pin]) -> None:
        rows = {
            label: {
                "namespace": pin.namespace, "created": pin.created, "hashes": [digest.hex() for digest in pin.hashes],
            }
            for label, pin in pins.items()
        }  # fmt: skip
        kept.write(self._path, {"pins": rows})
        self._pins = pins


def _read(document: Mapping[str, object]) -> Iterator[tuple[str, Pin]]:
    rows = document.get("pins")
    for label, row in rows.items() if isinstance(rows, dict) else ():
        if isinstance(row, dict) and (pin := _pin(row)) is not None:
            yield str(label), pin


def _pin(row: Mapping[str, object]) -> Pin | None:
    namespace, digits = str(row.get("namespace", "")), row.get("hashes")
    if not is_fingerprint(namespace) or not isinstance(digits, list):
        return None
    try:
        hashes = tuple(bytes.fromhex(str(text)) for text in digits)
    except ValueError:
        return None
    if any(len(digest) != HASH_BYTES for digest in hashes):
        return None
    return Pin(namespace, hashes, str(row.get("created", "")))
