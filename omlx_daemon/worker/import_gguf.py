"""`python -m omlx_daemon.worker.import_gguf SOURCE TARGET`: writes a GGUF file's model into an empty folder.

Prints progress as JSON lines on stdout; the last line is a failure where there was one.
"""

from __future__ import annotations

import sys
from pathlib import Path

import msgspec

from omlx_cli.contract.api import PullFailed, PullProgress
from omlx_cli.contract.errors import Code, OmlxError


def main() -> int:
    """Convert as the arguments say; return the exit status."""
    if len(sys.argv) != 3:
        sys.stderr.write("usage: python -m omlx_daemon.worker.import_gguf SOURCE TARGET\n")
        return 2
    source, target = Path(sys.argv[1]), Path(sys.argv[2])
    try:
        from omlx_daemon.worker.backend.gguf.convert import convert

        convert(source, target, _report)
    except OmlxError as error:
        _say(PullFailed(error=error.body))
        return 1
    except OSError as error:
        failure = OmlxError(Code.PULL_FAILED, f"cannot write the imported model: {error.strerror or error}")
        _say(PullFailed(error=failure.body))
        return 1
    return 0


def _report(done_bytes: int, total_bytes: int) -> None:
    _say(PullProgress(step="convert", done_bytes=done_bytes, total_bytes=total_bytes))


def _say(event: PullProgress | PullFailed) -> None:
    sys.stdout.write(msgspec.json.encode(event).decode() + "\n")
    sys.stdout.flush()


if __name__ == "__main__":
    sys.exit(main())
