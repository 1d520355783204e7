"""API keys: made, listed and withdrawn in the home's `keys.json`, which a running daemon reads again at once."""

from __future__ import annotations

import secrets
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path

import msgspec

from omlx_cli import locks
from omlx_cli.contract import keys
from omlx_cli.contract.errors import Code, OmlxError
from omlx_cli.contract.keys import Class, KeyFile, KeyRecord, Scope
from omlx_cli.contract.paths import DIRECTORY_MODE

PREFIX = "omlx-"
HINT_LETTERS = 4
_PATIENCE_S = 5.0
_MAX_NAME = 100


def create(path: Path, name: str, scope: Scope, priority: Class, shares_cache: bool) -> tuple[str, KeyRecord]:
    """Make a key and keep its digest; return the key, which nobody can tell again, and its record.

    Raises OmlxError: INVALID_REQUEST for a name that is none or taken, HOME_UNUSABLE where nothing can be written.
    """
    _check(name)
    secret = PREFIX + secrets.token_urlsafe(32)
    record = KeyRecord(
        name=name,
        scope=scope,
        priority=priority,
        shares_cache=shares_cache,
        hint=secret[-HINT_LETTERS:],
        created_at=datetime.now(UTC).isoformat(timespec="seconds").replace("+00:00", "Z"),
        digest=keys.digest_of(secret.encode()),
        salt="" if shares_cache else secrets.token_hex(16),
    )
    with _changing(path) as found:
        if any(other.name == name for other in found.keys):
            hint = f"omlx key rm {name}  withdraws it"
            raise OmlxError(Code.INVALID_REQUEST, f"there is a key called {name!r} already", hint)
        _write(path, (*found.keys, record))
    return secret, record


def remove(path: Path, names: tuple[str, ...]) -> tuple[KeyRecord, ...]:
    """Withdraw keys by name and return those that are left. Raises OmlxError(NOT_FOUND), nothing withdrawn."""
    with _changing(path) as found:
        known = {record.name for record in found.keys}
        if missing := [name for name in names if name not in known]:
            raise OmlxError(Code.NOT_FOUND, f"there is no key called {missing[0]!r}", "omlx key ls  lists the keys")
        left = tuple(record for record in found.keys if record.name not in names)
        _write(path, left)
    return left


def _check(name: str) -> None:
    if not name.strip() or len(name) > _MAX_NAME or not name.isprintable():
        message = f"{name!r} is no name for a key: 1 to {_MAX_NAME} printable characters"
        raise OmlxError(Code.INVALID_REQUEST, message, "omlx key create laptop")


@contextmanager
def _changing(path: Path) -> Iterator[KeyFile]:
    """Yield what the file holds, with every other writer kept out. Raises OmlxError."""
    try:
        path.parent.mkdir(mode=DIRECTORY_MODE, parents=True, exist_ok=True)
        with locks.held(path.with_suffix(".lock"), time.monotonic() + _PATIENCE_S):
            yield keys.read(path)
    except TimeoutError as error:
        raise OmlxError(Code.IN_USE, "another command is changing the keys", "try again") from error
    except OSError as error:
        message = f"cannot change the keys in {path}: {error.strerror or error}"
        raise OmlxError(Code.HOME_UNUSABLE, message, "omlx doctor  checks the home") from error


def _write(path: Path, records: tuple[KeyRecord, ...]) -> None:
    """Put `records` in the place of the file, readable by its owner alone. Raises OSError, the old file left."""
    content = msgspec.json.format(msgspec.json.encode(KeyFile(keys=records)), indent=2)
    with tempfile.NamedTemporaryFile(dir=path.parent, prefix=f".{path.name}.", delete=False) as file:
        temporary = Path(file.name)
        try:
            file.write(content + b"\n")
            file.flush()
            temporary.replace(path)
        except BaseException:
            temporary.unlink(missing_ok=True)
            raise
