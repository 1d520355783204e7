"""How a pull shows its progress: a bar on a terminal, plain lines elsewhere, JSON lines for programs."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable
from contextlib import AbstractContextManager
from types import TracebackType
from typing import TYPE_CHECKING, Protocol

from omlx_cli.contract.api import PullProgress
from omlx_cli.contract.units import format_bytes
from omlx_cli.output import Output

if TYPE_CHECKING:
    from rich.progress import Progress, TaskID

_LINES = 10
_LINE_S = 10.0
_GAP_S = 1.0

_WORDS = {
    "resolve": "looking up",
    "download": "downloading",
    "verify": "verifying",
    "convert": "converting",
    "publish": "storing",
}


class Reporter(AbstractContextManager["Reporter"], Protocol):
    """Shows one pull; entered before the first event, left after the last."""

    def show(self, event: PullProgress) -> None:
        """Show how far the pull is."""
        ...


def reporter(output: Output) -> Reporter:
    """Return the reporter that fits where stderr goes."""
    if output.quiet:
        return Silent()
    return Bar() if sys.stderr.isatty() else Lines(output.note)


class Silent:
    """Shows nothing."""

    def __enter__(self) -> Silent:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        return None

    def show(self, event: PullProgress) -> None:
        """Show nothing."""


class Lines(Silent):
    """A line when a step begins and ends, and about every tenth or ten seconds between, one a second at most."""

    def __init__(self, note: Callable[[str], None], clock: Callable[[], float] = time.monotonic) -> None:
        self._note = note
        self._clock = clock
        self._step = ""
        self._tenth = 0
        self._told_s = 0.0

    def show(self, event: PullProgress) -> None:
        """Print a line where enough has happened since the last one."""
        tenth = event.done_bytes * _LINES // event.total_bytes if event.total_bytes else 0
        waited_s = self._clock() - self._told_s
        is_due = waited_s >= (_GAP_S if tenth > self._tenth else _LINE_S) or tenth == _LINES > self._tenth
        if event.step != self._step or is_due:
            self._step, self._tenth, self._told_s = event.step, tenth, self._clock()
            self._note(" ".join(part for part in (title(event), _amount(event)) if part))


class Records(Silent):
    """A JSON line for each event, on stdout."""

    def __init__(self, output: Output) -> None:
        self._output = output

    def show(self, event: PullProgress) -> None:
        """Print the event."""
        self._output.record(event)


class Bar(Silent):
    """A bar that redraws itself on stderr, one line a step."""

    def __init__(self) -> None:
        self._progress = _rich_progress()
        self._step = ""
        self._task: TaskID | None = None

    def __enter__(self) -> Bar:
        self._progress.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._progress.stop()

    def show(self, event: PullProgress) -> None:
        """Move the bar of the event's step."""
        if event.step != self._step or self._task is None:
            self._finish()
            self._step = event.step
            self._task = self._progress.add_task(title(event), total=None)
        self._progress.update(
            self._task, description=title(event), completed=event.done_bytes, total=event.total_bytes or None
        )

    def _finish(self) -> None:
        """Fill the bar of the step that has ended."""
        if self._task is not None:
            total = self._progress.tasks[-1].total or 1
            self._progress.update(self._task, completed=total, total=total)


def title(event: PullProgress) -> str:
    """Return what the pull is doing, in words."""
    return " ".join(part for part in (_WORDS.get(event.step, event.step), event.detail) if part)


def _amount(event: PullProgress) -> str:
    if not event.total_bytes:
        return format_bytes(event.done_bytes) if event.done_bytes else ""
    share = event.done_bytes * 100 // event.total_bytes
    return f"{format_bytes(event.done_bytes)} of {format_bytes(event.total_bytes)} ({share} %)"


def _rich_progress() -> Progress:
    from rich.console import Console
    from rich.progress import (
        BarColumn,
        DownloadColumn,
        Progress,
        TextColumn,
        TimeRemainingColumn,
        TransferSpeedColumn,
    )

    return Progress(
        TextColumn("{task.description}", markup=False),
        BarColumn(),
        DownloadColumn(),
        TransferSpeedColumn(),
        TimeRemainingColumn(compact=True),
        console=Console(stderr=True),
    )
