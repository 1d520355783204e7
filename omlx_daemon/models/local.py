"""Models that are on this machine already: a folder in MLX layout, or a GGUF file."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

from omlx_cli.contract.errors import Code, OmlxError
from omlx_daemon.models import failures, folder, gguf
from omlx_daemon.models.job import Reporter


def check(path: Path) -> None:
    """Check that something can be imported from `path`. Raises OmlxError."""
    if not path.exists():
        raise OmlxError(Code.NOT_FOUND, f"there is nothing at {path}", param="model")
    if path.is_dir():
        folder.verify(path)
    elif not path.is_file() or not gguf.is_gguf(path):
        raise OmlxError(
            Code.UNSUPPORTED_MODEL, f"{path.name} is neither a model's folder nor a GGUF file", param="model"
        )


def state(path: Path) -> str:
    """Return what tells whether a source changed: the sizes and times of its weights."""
    files = folder.weight_files(path) if path.is_dir() else [path]
    return " ".join(f"{stat.st_size}:{stat.st_mtime_ns}" for stat in (file.stat() for file in files))


def take(path: Path, target: Path, report: Reporter) -> None:
    """Bring the model at `path` into the empty folder `target`. Raises OmlxError, OSError."""
    if path.is_dir():
        _copy(path, target, report)
    else:
        _check_space(path.stat().st_size, target)
        gguf.import_into(path, target, report)


def _copy(path: Path, target: Path, report: Reporter) -> None:
    """Copy the files that a model needs; weights are linked where both are on one file system."""
    files = sorted({file for pattern in folder.KEPT for file in path.glob(pattern) if file.is_file()})
    total = sum(file.stat().st_size for file in files)
    if path.stat().st_dev != target.stat().st_dev:
        _check_space(total, target)
    done = 0
    for file in files:
        _place(file.resolve(), target / file.name)
        done += file.stat().st_size
        report.progress("publish", done, total)


def _place(source: Path, target: Path) -> None:
    if source.suffix == ".safetensors":
        try:
            os.link(source, target)
            return
        except OSError:
            pass
    shutil.copyfile(source, target)


def _check_space(needed_bytes: int, target: Path) -> None:
    free = shutil.disk_usage(target).free
    if free < needed_bytes:
        raise failures.out_of_space(needed_bytes, free)
