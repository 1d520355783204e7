"""Block files read and checked, without holding anyone up."""

from __future__ import annotations

import random
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from enum import Enum, auto
from pathlib import Path
from typing import NamedTuple

from omlx_cli.contract.cache import BadBlock, VerifyReport
from omlx_daemon.coldstore import blockfile
from omlx_daemon.coldstore.blockfile import BlockDamaged
from omlx_daemon.coldstore.names import BlockName

MAX_PROBLEMS = 100

Progress = Callable[[int, int], None]
"""Called with the blocks so far and the blocks in all."""


class Finding(Enum):
    """What a check found."""

    GOOD = auto()
    GONE = auto()
    DAMAGED = auto()
    UNREADABLE = auto()


class Candidate(NamedTuple):
    """A block to check."""

    namespace: str
    model: str
    directory: Path
    name: BlockName


@dataclass(slots=True)
class Audit:
    """One pass over blocks; `on_bad` hears of each that is damaged or gone, in the middle of the pass."""

    on_bad: Callable[[Candidate, Finding], None]
    checked: int = 0
    checked_bytes: int = 0
    damaged: int = 0
    unreadable: int = 0
    problems: list[BadBlock] = field(default_factory=list)
    _buffer: bytearray = field(default_factory=bytearray)

    def run(self, candidates: Sequence[Candidate], sample: int | None, progress: Progress | None) -> VerifyReport:
        """Check all candidates, or `sample` of them at random."""
        begun_s = time.monotonic()
        if sample is not None and sample < len(candidates):
            candidates = random.sample(candidates, sample)
        for number, candidate in enumerate(candidates, 1):
            self._check(candidate)
            if progress is not None and (number % 16 == 0 or number == len(candidates)):
                progress(number, len(candidates))
        return VerifyReport(
            checked=self.checked,
            checked_bytes=self.checked_bytes,
            damaged=self.damaged,
            unreadable=self.unreadable,
            seconds=time.monotonic() - begun_s,
            problems=tuple(self.problems),
        )

    def _check(self, candidate: Candidate) -> None:
        finding, reason = self._read(candidate)
        self.checked += finding is not Finding.GONE
        self.damaged += finding is Finding.DAMAGED
        self.unreadable += finding is Finding.UNREADABLE
        if finding in (Finding.DAMAGED, Finding.UNREADABLE) and len(self.problems) < MAX_PROBLEMS:
            self.problems.append(BadBlock(model=candidate.model, filename=candidate.name.filename, reason=reason))
        if finding in (Finding.DAMAGED, Finding.GONE):
            self.on_bad(candidate, finding)

    def _read(self, candidate: Candidate) -> tuple[Finding, str]:
        try:
            with blockfile.open_block(candidate.directory, candidate.name) as block:
                if len(self._buffer) < block.payload_bytes:
                    self._buffer = bytearray(block.payload_bytes)
                block.read_into(memoryview(self._buffer))
                self.checked_bytes += block.header.header_bytes + block.payload_bytes
        except FileNotFoundError:
            return Finding.GONE, ""
        except BlockDamaged as damage:
            return Finding.DAMAGED, damage.reason
        except OSError as error:
            return Finding.UNREADABLE, error.strerror or str(error)
        return Finding.GOOD, ""
