"""A model's or a pin's blocks as an archive: an uncompressed tar of namespaces' descriptions and block files."""

from __future__ import annotations

import tarfile
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO

from omlx_cli.contract.cache import PrunedModel, PruneReport
from omlx_cli.contract.errors import Code, ErrorBody, OmlxError
from omlx_daemon.coldstore import names
from omlx_daemon.coldstore.layout import BUCKET, NAMESPACE_FILE, Layout, block_path, is_fingerprint, read_namespace
from omlx_daemon.coldstore.scan import scan_namespace
from omlx_daemon.ledger.pins import Pin

FORMAT_KEY = "omlx.format"
"""Of the archive's PAX header: the block format, which is the name of its directory in the cache."""


@dataclass(slots=True)
class Count:
    """Blocks that went in or came out, by model, and those that did not, by the reason."""

    models: dict[str, list[int]] = field(default_factory=dict)
    left_out: Counter[str] = field(default_factory=Counter)

    def add(self, model: str, size_bytes: int) -> None:
        """Count one block more."""
        self.models.setdefault(model, []).append(size_bytes)

    def report(self, error: ErrorBody | None = None) -> PruneReport:
        """Return the sums; `error` is why it ended early."""
        rows = [PrunedModel(model=model, files=len(own), size_bytes=sum(own)) for model, own in self.models.items()]
        return PruneReport(
            files=sum(row.files for row in rows),
            size_bytes=sum(row.size_bytes for row in rows),
            models=tuple(rows),
            left_out=dict(self.left_out),
            error=error,
        )


def export(root: Path, model: str, target: Path) -> PruneReport:
    """Write the blocks of `model` to the new file `target`; return what went in. Raises OmlxError."""
    spaces = (space for space in _spaces(Layout(root)) if read_namespace(space).model == model)
    files = {space: [found.filename for found in scan_namespace(space).blocks] for space in spaces}
    return _export(files, model, target)


def export_pin(root: Path, label: str, pin: Pin, target: Path) -> PruneReport:
    """Write the blocks that the pin `label` names to the new file `target`; return what went in. Raises OmlxError."""
    space = Layout(root).namespace(pin.namespace)
    wanted = {digest.hex() for digest in pin.hashes}
    try:
        stored = scan_namespace(space).blocks
    except FileNotFoundError:
        stored = []
    filenames = [found.filename for found in stored if found.filename[: 2 * names.HASH_BYTES] in wanted]
    return _export({space: filenames}, label, target)


def _export(files: Mapping[Path, Sequence[str]], name: str, target: Path) -> PruneReport:
    if not any(files.values()):
        raise OmlxError(Code.NOT_FOUND, f"nothing of {name} is stored", "omlx cache ls  shows what is")
    try:
        with (
            _created(target) as file,
            tarfile.open(fileobj=file, mode="w", format=tarfile.PAX_FORMAT, pax_headers={FORMAT_KEY: BUCKET}) as tar,
        ):
            return _fill(tar, files)
    except FileExistsError as error:
        hint = "choose another name"
        raise OmlxError(Code.INVALID_REQUEST, f"{target} exists already", hint, param="path") from error
    except (OSError, ValueError) as error:
        raise failed("written", target, error) from error


def failed(doing: str, path: Path, error: Exception) -> OmlxError:
    """Return the error for a file that the system does not let be read or written."""
    reason = (error.strerror if isinstance(error, OSError) else None) or str(error)
    return OmlxError(Code.INVALID_REQUEST, f"{path} cannot be {doing}: {reason}", param="path")


@contextmanager
def _created(target: Path) -> Iterator[IO[bytes]]:
    """Give a new file; it goes again where writing it fails."""
    with target.open("xb") as file:
        try:
            yield file
        except BaseException:
            with suppress(OSError):
                target.unlink()
            raise


def _fill(tar: tarfile.TarFile, files: Mapping[Path, Sequence[str]]) -> PruneReport:
    count = Count()
    for space, filenames in files.items():
        model = read_namespace(space).model
        _add(tar, space / NAMESPACE_FILE, f"{space.name}/{NAMESPACE_FILE}")
        for filename in filenames:
            name = names.parse(filename)
            size_bytes = _add(tar, block_path(space, name), f"{space.name}/{filename}") if name is not None else None
            if size_bytes is not None:
                count.add(model, size_bytes)
    return count.report()


def _spaces(layout: Layout) -> Iterator[Path]:
    with suppress(OSError):
        yield from sorted(path for path in (layout.root / BUCKET).iterdir() if is_fingerprint(path.name))


def _add(tar: tarfile.TarFile, path: Path, name: str) -> int | None:
    """Add a file and return its size in bytes; one that has gone meanwhile is passed over."""
    try:
        with path.open("rb") as file:
            member = tar.gettarinfo(fileobj=file, arcname=name)
            member.uid = member.gid = 0
            member.uname = member.gname = ""
            tar.addfile(member, file)
    except FileNotFoundError:
        return None
    return member.size
