"""The API keys that open TCP: those of the settings, and those that `omlx key` handed out."""

from __future__ import annotations

import hmac
import logging
import os
from pathlib import Path

import msgspec

from omlx_cli.contract import keys
from omlx_cli.contract.errors import OmlxError
from omlx_cli.contract.keys import KeyFile
from omlx_cli.contract.settings import ServerSettings

log = logging.getLogger(__name__)

Stamp = tuple[int, int, int]


class Holder(msgspec.Struct, frozen=True, kw_only=True):
    """Whoever showed a key."""

    name: str = ""
    priority: str = ""
    """The class of its requests that name none; empty where the key says nothing of it."""
    may_act: bool = False
    salt: str = ""
    """What sets its cached prefixes apart; empty shares those of callers without a key."""


OWNER = Holder(may_act=True)
"""Whoever showed `server.api_key`."""


class HandedOut:
    """The key file, read again whenever it was replaced, so that a key is withdrawn at once."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._stamp: Stamp | None = None
        self._file = KeyFile()
        self._broken = False

    @property
    def exists(self) -> bool:
        """Whether there is a key, or a file that cannot be read, which may hold some."""
        self._refresh()
        return self._broken or bool(self._file.keys)

    def holder(self, shown: list[bytes]) -> Holder | None:
        """Return who holds one of the keys `shown`; None where nobody does."""
        self._refresh()
        record = self._file.holder(shown)
        if record is None:
            return None
        may_act = record.scope == "control"
        return Holder(name=record.name, priority=record.priority, may_act=may_act, salt=record.salt)

    def _refresh(self) -> None:
        stamp = self._stamped()
        if stamp == self._stamp:
            return
        self._stamp = stamp
        try:
            self._file, self._broken = keys.read(self._path), False
        except OmlxError as error:
            # Whoever breaks the file must not open the door: no key is good until it is mended.
            self._file, self._broken = KeyFile(), True
            log.error("%s; no key of it is accepted", error.body.message)

    def _stamped(self) -> Stamp | None:
        try:
            found = os.stat(self._path)  # noqa: PTH116 - on every request; a Path costs more than the call
        except OSError:
            return None
        return found.st_ino, found.st_size, found.st_mtime_ns


class Keyring:
    """All keys under one version of the settings."""

    def __init__(self, settings: ServerSettings, handed_out: HandedOut | None) -> None:
        owner = [(settings.api_key, OWNER)] if settings.api_key else []
        named = [
            (key.key, Holder(name=key.name, priority=key.priority, salt=f"key:{key.name}")) for key in settings.keys
        ]
        self._configured = [(keys.digest_of(key.encode()).encode(), holder) for key, holder in (*owner, *named)]
        self._handed_out = handed_out

    @property
    def is_empty(self) -> bool:
        """Whether there is no key at all."""
        return not (self._configured or (self._handed_out and self._handed_out.exists))

    def holder(self, shown: list[bytes]) -> Holder | None:
        """Return who holds one of the keys `shown`, None where nobody does; how long it takes tells nothing."""
        digests = [keys.digest_of(key).encode() for key in shown]
        # Every key is compared, whichever one fits, and digests are all of one length.
        fitting = [who for key, who in self._configured for digest in digests if hmac.compare_digest(key, digest)]
        handed_out = self._handed_out.holder(shown) if self._handed_out else None
        return fitting[0] if fitting else handed_out
