"""One model's blocks as an archive: an uncompressed tar of its namespaces' descriptions and block files."""

from __future__ import annotations

import json
import os
import tarfile
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath
from typing import IO

from omlx_cli.contract.cache import PrunedModel, PruneReport
from omlx_cli.contract.errors import Code, OmlxError
from omlx_daemon.coldstore import names
from omlx_daemon.coldstore.adoption import BlockDamaged, adopt
from omlx_daemon.coldstore.layout import BUCKET, NAMESPACE_FILE, Layout, block_path, is_fingerprint, read_namespace
from omlx_daemon.coldstore.scan import scan_namespace
from omlx_daemon.ledger.ledger import Ledger

MAX_BLOCK_BYTES = 4 << 30
_MAX_DESCRIPTION_BYTES = 1 << 20
_OWNER = "import"

Arrived = Callable[[str, str, int], None]
"""Hears of a block that came in: its namespace, its file's name and size in bytes."""


@dataclass(slots=True)
class _Count:
    models: dict[str, list[int]] = field(default_factory=dict)

    def add(self, model: str, size_bytes: int) -> None:
        self.models.setdefault(model, []).append(size_bytes)

    def report(self) -> PruneReport:
        rows = [PrunedModel(model=model, files=len(own), size_bytes=sum(own)) for model, own in self.models.items()]
        return PruneReport(
            files=sum(row.files for row in rows), size_bytes=sum(row.size_bytes for row in rows), models=tuple(rows)
        )


def export(root: Path, model: str, target: Path) -> PruneReport:
    """Write the blocks of `model` to the new file `target`; return what went in. Raises OmlxError."""
    layout, count = Layout(root), _Count()
    spaces = {space: scan_namespace(space).blocks for space in _spaces(layout) if read_namespace(space).model == model}
    if not any(spaces.values()):
        raise OmlxError(Code.NOT_FOUND, f"nothing of {model} is stored", "omlx cache ls  shows what is")
    try:
        with target.open("xb") as file, tarfile.open(fileobj=file, mode="w", format=tarfile.PAX_FORMAT) as tar:
            for space, blocks in spaces.items():
                _add(tar, space / NAMESPACE_FILE, f"{space.name}/{NAMESPACE_FILE}")
                for found in blocks:
                    name = names.parse(found.filename)
                    if name is not None and _add(tar, block_path(space, name), f"{space.name}/{found.filename}"):
                        count.add(model, found.size_bytes)
    except FileExistsError as error:
        raise OmlxError(
            Code.INVALID_REQUEST, f"{target} exists already", "choose another name", param="path"
        ) from error
    except OSError as error:
        with suppress(OSError):
            target.unlink()
        raise _failed("written", target, error) from error
    return count.report()


def import_(ledger: Ledger, root: Path, source: Path, arrived: Arrived) -> PruneReport:
    """Take the blocks of an archive that are whole; return what came in. `arrived` hears of each, even where it ends in
    an OmlxError for want of room."""
    count = _Count()
    try:
        with source.open("rb") as file, tarfile.open(fileobj=file, mode="r:") as tar:
            _Import(ledger, Layout(root), count, arrived).run(tar)
    except tarfile.TarError as error:
        raise OmlxError(Code.INVALID_REQUEST, f"{source} is no archive of blocks: {error}", param="path") from error
    except OSError as error:
        raise _failed("read", source, error) from error
    finally:
        ledger.release(_OWNER, pid=os.getpid())
    return count.report()


class _Import:
    def __init__(self, ledger: Ledger, layout: Layout, count: _Count, arrived: Arrived) -> None:
        self._ledger, self._layout, self._count, self._arrived = ledger, layout, count, arrived
        self._models: dict[str, str] = {}

    def run(self, tar: tarfile.TarFile) -> None:
        for member in tar:
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
        except (ValueError, KeyError, TypeError) as error:
            raise OmlxError(Code.INVALID_REQUEST, f"the archive's {NAMESPACE_FILE} cannot be read") from error
        self._models[namespace] = model
        self._ledger.attach(_OWNER, namespace, model, {str(key): str(value) for key, value in details.items()})

    def _take(self, namespace: str, name: names.BlockName, content: IO[bytes], size_bytes: int) -> None:
        model = self._models.get(namespace)
        if model is None:
            raise OmlxError(Code.INVALID_REQUEST, f"the archive has a block before its {NAMESPACE_FILE}")
        space = self._layout.namespace(namespace)
        if block_path(space, name).exists():
            return
        if not self._ledger.reserve(_OWNER, namespace, size_bytes, parent=name.parent):
            raise OmlxError(
                Code.CACHE_FULL, "there is no room for all blocks of the archive", "raise cache.cold_max_size"
            )
        try:
            adopt(space, name, content)
        except BlockDamaged:
            self._ledger.give_back(_OWNER, namespace, size_bytes)
            return
        self._ledger.stored(_OWNER, namespace, name.filename, size_bytes)
        self._count.add(model, size_bytes)
        self._arrived(namespace, name.filename, size_bytes)


def _spaces(layout: Layout) -> Iterator[Path]:
    with suppress(OSError):
        yield from sorted(path for path in (layout.root / BUCKET).iterdir() if is_fingerprint(path.name))


def _add(tar: tarfile.TarFile, path: Path, name: str) -> bool:
    """Add a file; one that has gone meanwhile is passed over."""
    try:
        with path.open("rb") as file:
            member = tar.gettarinfo(fileobj=file, arcname=name)
            member.uid = member.gid = 0
            member.uname = member.gname = ""
            tar.addfile(member, file)
    except FileNotFoundError:
        return False
    return True


def _failed(doing: str, path: Path, error: OSError) -> OmlxError:
    return OmlxError(Code.INVALID_REQUEST, f"{path} cannot be {doing}: {error.strerror or error}", param="path")
