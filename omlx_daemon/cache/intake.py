"""The blocks of an archive, each checked on its way into the cache. Whatever the archive claims is doubted."""

from __future__ import annotations

import json
import os
import stat
import tarfile
from collections import Counter
from collections.abc import Callable
from pathlib import Path, PurePosixPath
from typing import IO

from omlx_cli.contract.cache import PruneReport
from omlx_cli.contract.errors import Code, OmlxError
from omlx_daemon.cache.archive import FORMAT_KEY, Count, failed
from omlx_daemon.coldstore import names
from omlx_daemon.coldstore.adoption import BlockDamaged, adopt
from omlx_daemon.coldstore.layout import BUCKET, NAMESPACE_FILE, Layout, block_path, is_fingerprint
from omlx_daemon.ledger.ledger import Ledger

MAX_BLOCK_BYTES = 4 << 30
HERE_ALREADY = "that are here already"
DAMAGED = "that are damaged, or blocks of another format"
NO_ROOM = "for which there is no room"
_MAX_DESCRIPTION_BYTES = 1 << 20
_OWNER = "import"

Arrived = Callable[[str, str, int], None]
"""Hears of a block that came in: its namespace, its file's name and size in bytes."""


def import_(ledger: Ledger, root: Path, source: Path, arrived: Arrived) -> PruneReport:
    """Take the blocks of an archive that are whole; return what came in, with the error that ended it early.

    `arrived` hears of each. Raises OmlxError where nothing came in.
    """
    work = _Import(ledger, Layout(root), arrived)
    try:
        _check_is_file(source)
        with source.open("rb") as file, tarfile.open(fileobj=file, mode="r:") as tar:
            work.run(tar)
    except tarfile.TarError as error:
        return work.ended(_invalid(source, f"is no archive of blocks, or it is cut: {error}"))
    except OmlxError as error:
        return work.ended(error)
    except (OSError, ValueError) as error:
        return work.ended(failed("read", source, error))
    finally:
        ledger.release(_OWNER, pid=os.getpid())
    return work.done(source)


class _Import:
    def __init__(self, ledger: Ledger, layout: Layout, arrived: Arrived) -> None:
        self._ledger, self._layout, self._arrived = ledger, layout, arrived
        self._models: dict[str, str] = {}
        self._taken: list[tuple[str, names.BlockName, int]] = []
        self._left_out: Counter[str] = Counter()

    def done(self, source: Path) -> PruneReport:
        """Return what came in. Raises OmlxError where nothing did, but for what is here already."""
        if not self._models:
            raise _invalid(source, f"is no archive of blocks: it has no {NAMESPACE_FILE}")
        if damaged := self._left_out[DAMAGED]:
            return self.ended(_invalid(source, f"holds {damaged} files that are no good blocks"))
        count = self._counted()
        return count.report(_no_room(self._ledger).body if count.left_out[NO_ROOM] else None)

    def ended(self, error: OmlxError) -> PruneReport:
        """Return what came in before `error`. Raises it where nothing did."""
        if not self._taken:
            raise error
        return self._counted().report(error.body)

    def _counted(self) -> Count:
        """Count what is there still: a late block may have taken the room of an early one."""
        count = Count(left_out=Counter(self._left_out))
        for namespace, name, size_bytes in self._taken:
            if block_path(self._layout.namespace(namespace), name).exists():
                count.add(self._models[namespace], size_bytes)
            else:
                count.left_out[NO_ROOM] += 1
        return count

    def run(self, tar: tarfile.TarFile) -> None:
        for member in tar:
            _check_format(str(tar.pax_headers.get(FORMAT_KEY, BUCKET)))
            place = PurePosixPath(member.name)
            content = tar.extractfile(member) if member.isreg() else None
            if content is None or len(place.parts) != 2 or not is_fingerprint(place.parts[0]):
                continue
            namespace, filename = place.parts
            if filename == NAMESPACE_FILE:
                self._describe(namespace, content.read(_MAX_DESCRIPTION_BYTES))
            elif (name := names.parse(filename)) is not None and member.size <= MAX_BLOCK_BYTES:
                self._take(namespace, name, content, member.size)

    def _describe(self, namespace: str, content: bytes) -> None:
        try:
            document = json.loads(content)
            model, details = str(document["model"]), dict(document.get("details") or {})
        except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
            raise OmlxError(Code.INVALID_REQUEST, f"the archive's {NAMESPACE_FILE} cannot be read") from error
        self._models[namespace] = model
        self._ledger.attach(_OWNER, namespace, model, {str(key): str(value) for key, value in details.items()})

    def _take(self, namespace: str, name: names.BlockName, content: IO[bytes], size_bytes: int) -> None:
        if namespace not in self._models:
            raise OmlxError(Code.INVALID_REQUEST, f"the archive has a block before its {NAMESPACE_FILE}")
        space = self._layout.namespace(namespace)
        if block_path(space, name).exists():
            self._left_out[HERE_ALREADY] += 1
            return
        if not size_bytes:
            self._left_out[DAMAGED] += 1
            return
        if not self._ledger.reserve(_OWNER, namespace, size_bytes, parent=name.parent):
            raise _no_room(self._ledger)
        try:
            adopt(space, name, content)
        except BlockDamaged:
            self._ledger.give_back(_OWNER, namespace, size_bytes)
            self._left_out[DAMAGED] += 1
            return
        self._ledger.stored(_OWNER, namespace, name.filename, size_bytes)
        self._taken.append((namespace, name, size_bytes))
        self._arrived(namespace, name.filename, size_bytes)


def _check_is_file(source: Path) -> None:
    found = source.stat()
    if not stat.S_ISREG(found.st_mode):
        raise _invalid(source, "is no file")


def _check_format(found: str) -> None:
    if found != BUCKET:
        raise OmlxError(
            Code.INVALID_REQUEST,
            f"the archive holds blocks of the format {found[:40]!r}; this omlx reads {BUCKET}",
            "export it again with an omlx of this version",
            param="path",
        )


def _no_room(ledger: Ledger) -> OmlxError:
    why = ledger.degraded
    if why:
        return OmlxError(Code.CACHE_UNUSABLE, f"nothing can be written to the cache: {why}", "omlx cache stats")
    return OmlxError(Code.CACHE_FULL, "there is no room for all blocks of the archive", "raise cache.cold_max_size")


def _invalid(source: Path, problem: str) -> OmlxError:
    return OmlxError(Code.INVALID_REQUEST, f"{source} {problem}", param="path")
