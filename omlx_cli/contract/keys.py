"""API keys that were handed out: the file that holds what is known of them, which is never the keys themselves.

A key is 256 random bits, so its plain SHA-256 tells nothing that could be tried out.
"""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Iterable
from pathlib import Path
from typing import Literal

import msgspec

from omlx_cli.contract import files
from omlx_cli.contract.errors import Code, OmlxError

Scope = Literal["inference", "control"]
Class = Literal["interactive", "normal", "batch"]


class KeyInfo(msgspec.Struct, frozen=True, kw_only=True):
    """One key, as a listing shows it."""

    name: str
    scope: Scope = "inference"
    """`inference` asks for answers and reads figures; `control` acts on the daemon besides."""
    priority: Class = "normal"
    """The class of its requests that name none."""
    shares_cache: bool = False
    """Whether it uses the prefixes of those who have no key, and they its."""
    hint: str = ""
    """How the key ends, to tell keys apart."""
    created_at: str = ""


class KeyRecord(KeyInfo, frozen=True, kw_only=True):
    """One key, as the file holds it."""

    digest: str
    """SHA-256 of the key, in hexadecimal."""
    salt: str = ""
    """What sets its cached prefixes apart from those of other keys."""


class KeyFile(msgspec.Struct, frozen=True, kw_only=True):
    """All of `keys.json`."""

    schema_version: int = 1
    keys: tuple[KeyRecord, ...] = ()

    def holder(self, shown: Iterable[bytes]) -> KeyRecord | None:
        """Return the record of a key that is among those `shown`; how long it takes tells nothing."""
        found = None
        for digest in map(digest_of, shown):
            for record in self.keys:
                # Every record is compared, whichever one fits.
                if hmac.compare_digest(record.digest.encode(), digest.encode()):
                    found = record
        return found


class KeyList(msgspec.Struct, frozen=True, kw_only=True):
    """Answer of `omlx key ls`."""

    schema_version: int = 1
    keys: tuple[KeyInfo, ...] = ()


class NewKey(msgspec.Struct, frozen=True, kw_only=True):
    """Answer of `omlx key create`; the only place where the key itself is ever told."""

    schema_version: int = 1
    key: str
    info: KeyInfo


def digest_of(key: bytes) -> str:
    """Return what the file holds in place of `key`."""
    return hashlib.sha256(key).hexdigest()


def exist(path: Path) -> bool:
    """Return whether a key was handed out. Raises OmlxError(INVALID_CONFIG)."""
    return bool(read(path).keys)


def read(path: Path) -> KeyFile:
    """Return the keys at `path`, none where there is no such file. Raises OmlxError(INVALID_CONFIG)."""
    try:
        return msgspec.json.decode(files.read_bytes(path), type=KeyFile)
    except FileNotFoundError:
        return KeyFile()
    except (OSError, msgspec.DecodeError) as error:
        reason = getattr(error, "strerror", None) or str(error)
        hint = "put it back from a copy, or remove it and create the keys anew"
        raise OmlxError(Code.INVALID_CONFIG, f"cannot read the keys in {path}: {reason}", hint) from error
