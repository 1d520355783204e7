"""The books without a daemon: each question is one child process, which locks the directory while it works."""

from __future__ import annotations

import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from functools import cached_property
from threading import Timer
from typing import IO, TypeVar

import msgspec

from omlx_cli.books.place import Place
from omlx_cli.contract.api import Done
from omlx_cli.contract.cache import (
    CacheList,
    CacheMetrics,
    CachePins,
    CacheRow,
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
_PYTHON = (sys.executable, "-I", "-X", "utf8", "-m")
LEDGER = (*_PYTHON, "omlx_daemon.ledger")
MODELS = (*_PYTHON, "omlx_daemon.models.current")
_NO_MODEL = "none"
"""Stands for the namespaces of a home without models, which differs from not knowing them."""


class ChildBooks:
    """Implements `Books` on the directory itself; which blocks the models of `home` can use, another child tells.

    `limit_s` bounds each child: one that takes longer is killed, and OmlxError(TIMEOUT) is raised.
    """

    def __init__(self, place: Place, home: str, limit_s: float | None = None) -> None:
        self._place = place
        self._home = home
        self._limit_s = limit_s

    def stats(self) -> CacheStats:
        """Return the accounts, with the limits of the settings: a child that only looks keeps to none."""
        place = self._place
        found = self._ask("stats", *self._current, kind=CacheStats)
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
        """Return the namespaces that are asked for."""
        listed = self._ask("ls", *self._current, kind=CacheList).namespaces
        if model:
            name = _stored_name(model, listed)
            listed = tuple(row for row in listed if row.model == name)
        return CacheList(namespaces=tuple(row for row in listed if row.incompatible or not incompatible))

    def prune(self, body: PruneBody) -> PruneReport:
        """Remove what matches, or say what would go."""
        model = _stored_name(body.model, self._ask("ls", kind=CacheList).namespaces) if body.model else ""
        given = {"--older-than": body.older_than, "--larger-than": body.larger_than, "--model": model}
        words = [f"{option}={value}" for option, value in given.items() if value]
        words += ["--incompatible", *self._namespaces("--all-or-none")] if body.incompatible else []
        words += ["--dry-run"] if body.dry_run else []
        return self._ask("prune", *words, kind=PruneReport)

    def clear(self, model: str) -> PruneReport:
        """Remove all blocks that are not pinned."""
        return self.prune(PruneBody(model=model)) if model else self._ask("clear", kind=PruneReport)

    def verify(self, body: VerifyBody) -> Iterator[VerifyProgress | VerifyDone]:
        """Check stored blocks."""
        if body.deep:
            raise OmlxError(
                Code.DAEMON_UNREACHABLE,
                "--deep needs the daemon, which computes with the models",
                "omlx start  starts it",
            )
        for line in self._lines("verify", "--sample", str(body.sample)):
            yield _event(line)

    def pins(self) -> CachePins:
        """Return the pinned prefixes."""
        return self._ask("pins", kind=CachePins)

    def unpin(self, label: str) -> str:
        """Let a pinned prefix go."""
        return self._ask("unpin", f"--label={label}", kind=Done).message

    @cached_property
    def _current(self) -> list[str]:
        """The options that name the namespaces which the models of this home use."""
        return self._namespaces()

    def _namespaces(self, *words: str) -> list[str]:
        lines = list(_run([*MODELS, "--home", self._home, *words], self._limit_s))
        found = _decode(lines[-1] if lines else b"", list[str])
        return [word for namespace in found or [_NO_MODEL] for word in ("--current", namespace)]

    def _ask(self, command: str, *words: str, kind: type[T]) -> T:
        lines = list(self._lines(command, *words))
        return _decode(lines[-1] if lines else b"", kind)

    def _lines(self, command: str, *words: str) -> Iterator[bytes]:
        return _run([*LEDGER, command, "--dir", str(self._place.directory), "--json", *words], self._limit_s)


def _run(job: list[str], limit_s: float | None) -> Iterator[bytes]:
    """Yield the lines of a child's stdout, and end it where nobody wants them. Raises what it reports."""
    with tempfile.TemporaryFile() as errors:
        try:
            child = subprocess.Popen(job, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=errors)
        except OSError as error:
            raise OmlxError(
                Code.INTERNAL, f"cannot start {job[0]}: {error}", "omlx doctor  checks the installation"
            ) from error
        with child, _killed_after(limit_s, child) as too_late:
            try:
                assert child.stdout is not None
                yield from child.stdout
            except BaseException:
                child.terminate()
                raise
        if too_late:
            raise OmlxError(Code.TIMEOUT, f"the cache's directory was not read within {limit_s:g} s")
        if child.returncode:
            raise _reported(errors, child.returncode)


@contextmanager
def _killed_after(limit_s: float | None, child: subprocess.Popen[bytes]) -> Iterator[list[bool]]:
    """Kill a child that takes longer; yield a list that is no longer empty then."""
    killed: list[bool] = []
    if limit_s is None:
        yield killed
        return

    def kill() -> None:
        killed.append(True)
        child.kill()

    timer = Timer(limit_s, kill)
    timer.start()
    try:
        yield killed
    finally:
        timer.cancel()


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


def _stored_name(model: str, listed: Sequence[CacheRow]) -> str:
    """Return the name under which the cache holds `model`. Raises OmlxError(MODEL_NOT_FOUND)."""
    names = {row.model.casefold(): row.model for row in listed if row.model}
    if model.casefold() not in names:
        known = ", ".join(sorted(names.values()))
        raise OmlxError(
            Code.MODEL_NOT_FOUND,
            f"the cache holds nothing of {model!r}",
            f"it holds {known}" if known else "omlx cache ls  lists what it holds",
            param="model",
        )
    return names[model.casefold()]
