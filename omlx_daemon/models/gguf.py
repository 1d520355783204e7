"""GGUF files are imported by a process of their own: the daemon and the pull never hold a weight."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import msgspec

from omlx_cli.contract import files
from omlx_cli.contract.api import PullEvent, PullFailed, PullProgress
from omlx_cli.contract.errors import Code, OmlxError
from omlx_daemon.models import job

MAGIC = b"GGUF"


def is_gguf(path: Path) -> bool:
    """Tell whether a file begins as GGUF does. Raises OSError."""
    with files.opened(path) as file:
        return file.read(len(MAGIC)) == MAGIC


def import_into(source: Path, folder: Path, report: job.Reporter) -> None:
    """Write the model in a GGUF file into an empty folder, in MLX layout. Raises OmlxError."""
    command = [sys.executable, "-I", "-m", "omlx_daemon.worker.import_gguf", str(source), str(folder)]
    decoder = job.decoder()
    with subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE) as process:
        for line in process.stdout or ():
            _follow(decoder, line, report)
    if process.returncode:
        raise OmlxError(
            Code.PULL_FAILED, f"the import of {source.name} ended unexpectedly ({_ending(process.returncode)})"
        )


def _follow(decoder: msgspec.json.Decoder[PullEvent], line: bytes, report: job.Reporter) -> None:
    event = decoder.decode(line)
    if isinstance(event, PullFailed):
        raise OmlxError.of(event.error)
    if isinstance(event, PullProgress):
        report.progress(event.step, event.done_bytes, event.total_bytes, event.detail)


def _ending(status: int) -> str:
    return f"signal {-status}" if status < 0 else f"exit status {status}"
