"""The books without a daemon: each question is one child process, which locks the directory while it works."""

from __future__ import annotations

import subprocess
import sys
import tempfile
from collections.abc import Iterator
from typing import IO, TypeVar

import msgspec

from omlx_cli.books.place import Place
from omlx_cli.contract.api import Done
from omlx_cli.contract.cache import (
    CacheList,
    CacheMetrics,
    CachePins,
    CacheStats,
    PruneBody,
    PruneReport,
    VerifyBody,
    VerifyDone,
    VerifyProgress,
)
from omlx_cli.contract.errors import Code, ErrorReply, OmlxError

T = TypeVar("T")

_EVENTS: msgspec.json.Decoder[VerifyProgress | VerifyDone] = msgspec.json.Decoder(VerifyProgress | VerifyDone)
LEDGER = (sys.executable, "-I", "-X", "utf8", "-m", "omlx_daemon.ledger")


class ChildBooks:
    """Implements `Books` on the directory itself."""

    def __init__(self, place: Place) -> None:
        self._place = place

    def stats(self) -> CacheStats:
        """Return the accounts, with the limits of the settings: a child that only looks keeps to none."""
        place = self._place
        found = self._ask("stats", kind=CacheStats)
        return msgspec.structs.replace(
            found,
            quota_bytes=place.quota_bytes,
            min_free_bytes=place.min_free_bytes,
            free_bytes=found.free_bytes or place.free_bytes,
        )

    def metrics(self) -> CacheMetrics | None:
        """Return None: nobody counts while no daemon runs."""
        return None

    def rows(self, model: str, incompatible: bool) -> CacheList:
        """Return the namespaces, all of them or one model's."""
        if incompatible:
            raise _needs_models("--incompatible")
        listed = self._ask("ls", kind=CacheList)
        if not model:
            return listed
        name = _stored_name(model, listed)
        return CacheList(namespaces=tuple(row for row in listed.namespaces if row.model == name))

    def prune(self, body: PruneBody) -> PruneReport:
        """Remove what matches, or say what would go."""
        if body.incompatible:
            raise _needs_models("--incompatible")
        model = _stored_name(body.model, self._ask("ls", kind=CacheList)) if body.model else ""
        given = {"--older-than": body.older_than, "--larger-than": body.larger_than, "--model": model}
        words = [f"{option}={value}" for option, value in given.items() if value]
        return self._ask("prune", *words, *(["--dry-run"] if body.dry_run else []), kind=PruneReport)

    def clear(self, model: str) -> PruneReport:
        """Remove all blocks that are not pinned."""
        return self.prune(PruneBody(model=model)) if model else self._ask("clear", kind=PruneReport)

    def verify(self, body: VerifyBody) -> Iterator[VerifyProgress | VerifyDone]:
        """Check stored blocks."""
        if body.deep:
            raise _needs_models("--deep")
        for line in self._lines("verify", "--sample", str(body.sample)):
            yield _event(line)

    def pins(self) -> CachePins:
        """Return the pinned prefixes."""
        return self._ask("pins", kind=CachePins)

    def unpin(self, label: str) -> str:
        """Let a pinned prefix go."""
        return self._ask("unpin", f"--label={label}", kind=Done).message

    def _ask(self, command: str, *words: str, kind: type[T]) -> T:
        lines = list(self._lines(command, *words))
        return _decode(lines[-1] if lines else b"", kind)

    def _lines(self, command: str, *words: str) -> Iterator[bytes]:
        """Yield the lines of the child's stdout. Raises what it reports."""
        job = [*LEDGER, command, "--dir", str(self._place.directory), "--json", *words]
        with tempfile.TemporaryFile() as errors:
            try:
                child = subprocess.Popen(job, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=errors)
            except OSError as error:
                raise OmlxError(
                    Code.INTERNAL, f"cannot start {job[0]}: {error}", "omlx doctor  checks the installation"
                ) from error
            with child:
                try:
                    assert child.stdout is not None
                    yield from child.stdout
                except BaseException:
                    child.terminate()
                    raise
            if child.returncode:
                raise _reported(errors, child.returncode)


def _decode(line: bytes, kind: type[T]) -> T:
    try:
        return msgspec.json.decode(line, type=kind)
    except msgspec.DecodeError as error:
        raise _unreadable(str(error)) from error


def _event(line: bytes) -> VerifyProgress | VerifyDone:
    try:
        return _EVENTS.decode(line)
    except msgspec.DecodeError as error:
        raise _unreadable(str(error)) from error


def _unreadable(why: str) -> OmlxError:
    return OmlxError(Code.INTERNAL, f"the cache's accounts cannot be read: {why}", "omlx doctor  checks the home")


def _reported(errors: IO[bytes], exit_code: int) -> OmlxError:
    """Return the error on the last line of the child's stderr."""
    errors.seek(0)
    lines = errors.read().decode(errors="replace").splitlines()
    last = lines[-1].strip() if lines else f"exit code {exit_code}"
    try:
        return OmlxError.of(msgspec.json.decode(last, type=ErrorReply).error)
    except msgspec.DecodeError:
        return _unreadable(last)


def _needs_models(option: str) -> OmlxError:
    return OmlxError(
        Code.DAEMON_UNREACHABLE, f"{option} needs the daemon, which knows the models", "omlx start  starts it"
    )


def _stored_name(model: str, listed: CacheList) -> str:
    """Return the name under which the cache holds `model`. Raises OmlxError(MODEL_NOT_FOUND)."""
    names = {row.model.casefold(): row.model for row in listed.namespaces if row.model}
    if model.casefold() not in names:
        known = ", ".join(sorted(names.values()))
        raise OmlxError(
            Code.MODEL_NOT_FOUND,
            f"the cache holds nothing of {model!r}",
            f"it holds {known}" if known else "omlx cache ls  lists what it holds",
            param="model",
        )
    return names[model.casefold()]
