"""What a pull is asked to do, and how it tells of its progress."""

from __future__ import annotations

import sys
import time
from pathlib import Path

import msgspec

from omlx_cli.contract.api import PullDone, PullEvent, PullFailed, PullProgress
from omlx_cli.contract.paths import Paths

PAUSE_S = 0.1
"""Least time between two progress events of one step."""


class Job(msgspec.Struct, frozen=True, kw_only=True):
    """One pull: `model` is a short name, a hub id or an absolute path, `name` what to call the result."""

    model: str
    home: str
    name: str = ""
    endpoint: str = ""
    """The hub to ask; empty is huggingface_hub's own choice."""

    @property
    def paths(self) -> Paths:
        """The omlx home's layout."""
        return Paths(Path(self.home))

    @property
    def downloads(self) -> Path:
        """Where unfinished downloads wait for the next try."""
        return self.paths.downloads

    @property
    def locks(self) -> Path:
        """One lock file for each model that was ever pulled."""
        return self.downloads / "locks"


class Reporter:
    """Writes events as JSON lines on stdout, progress not more often than the eye can follow."""

    def __init__(self) -> None:
        self._encoder = msgspec.json.Encoder()
        self._step = ""
        self._next_at = 0.0

    def progress(self, step: str, done_bytes: int = 0, total_bytes: int = 0, detail: str = "") -> None:
        """Tell how far `step` is; a new step and a finished one are always told."""
        now = time.monotonic()
        finished = 0 < total_bytes <= done_bytes
        if step == self._step and now < self._next_at and not finished and not detail:
            return
        self._step, self._next_at = step, now + PAUSE_S
        self.tell(PullProgress(step=step, detail=detail, done_bytes=done_bytes, total_bytes=total_bytes))

    def tell(self, event: PullProgress | PullDone | PullFailed) -> None:
        """Write one event."""
        sys.stdout.write(self._encoder.encode(event).decode() + "\n")
        sys.stdout.flush()


def decoder() -> msgspec.json.Decoder[PullEvent]:
    """Return the decoder for the lines that a `Reporter` writes."""
    return msgspec.json.Decoder(PullEvent)
