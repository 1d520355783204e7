"""Pulls in child processes: one for each model at a time, its events handed to all who follow it."""

from __future__ import annotations

import asyncio
import logging
import os
import signal
import sys
from asyncio.subprocess import PIPE, Process
from collections.abc import AsyncGenerator

import msgspec

from omlx_cli.contract.api import PullDone, PullEvent, PullFailed
from omlx_cli.contract.errors import Code, OmlxError
from omlx_cli.contract.paths import Paths
from omlx_cli.contract.settings import Settings
from omlx_daemon.models import catalog, failures, job
from omlx_daemon.models.job import Job

LINE_LIMIT_BYTES = 1 << 20
END_WITHIN_S = 5.0
"""How long a pull may take to end after its last follower left, before it is killed from outside."""

_log = logging.getLogger(__name__)


class Puller:
    """Starts pulls and lets several followers share one. All methods run on the event loop."""

    def __init__(self, paths: Paths, settings: Settings) -> None:
        self._paths = paths
        self.endpoint = settings.hub.endpoint
        """The hub that later pulls ask."""
        self._running: dict[tuple[str, str], _Pull] = {}

    async def follow(self, model: str, name: str) -> AsyncGenerator[PullEvent, None]:
        """Pull a model, or follow the pull of it that is running; ends after one `PullDone` or `PullFailed`.

        When the last follower closes its generator early the pull stops, and what was fetched is kept.
        """
        key = (self._canonical(model), name)
        pull = self._running.get(key)
        if pull is None or pull.over:
            pull = self._running[key] = _Pull(self._job(model, name))
        events = pull.join()
        try:
            while True:
                event = await events.get()
                yield event
                if isinstance(event, PullDone | PullFailed):
                    return
        finally:
            pull.leave(events)
            if pull.over and self._running.get(key) is pull:
                del self._running[key]

    async def close(self) -> None:
        """Stop every pull and wait until its processes are gone."""
        pulls = list(self._running.values())
        for pull in pulls:
            pull.stop()
        await asyncio.gather(*(pull.ended() for pull in pulls))

    def _job(self, model: str, name: str) -> Job:
        return Job(model=model, home=str(self._paths.home), name=name, endpoint=self.endpoint)

    def _canonical(self, model: str) -> str:
        try:
            entry = catalog.load(self._paths.home).find(model)
        except OmlxError:
            return model
        return (entry.hub or entry.name) if entry else model


class _Pull:
    """One child process and its followers."""

    def __init__(self, what: Job) -> None:
        self._job = what
        self._followers: set[asyncio.Queue[PullEvent]] = set()
        self._last: PullEvent | None = None
        self._process: Process | None = None
        self._stopped = False
        self.over = False
        """True when no follower may join any more."""
        self._task = asyncio.create_task(self._run(), name=f"pull {what.model}")

    def join(self) -> asyncio.Queue[PullEvent]:
        """Return a queue of the events from now on, the latest one first."""
        events: asyncio.Queue[PullEvent] = asyncio.Queue()
        if self._last is not None:
            events.put_nowait(self._last)
        self._followers.add(events)
        return events

    def leave(self, events: asyncio.Queue[PullEvent]) -> None:
        """Take a follower away; the last one stops the pull."""
        self._followers.discard(events)
        if not self._followers:
            self.stop()

    def stop(self) -> None:
        """Ask the child to end: it dies when its standard input closes."""
        self.over = self._stopped = True
        if self._process is not None and self._process.stdin is not None:
            self._process.stdin.close()

    async def ended(self) -> None:
        """Wait until the child is gone."""
        await asyncio.wait([self._task])

    async def _run(self) -> None:
        try:
            event = await self._follow_child()
        except OSError as error:
            event = PullFailed(error=failures.of_system(error).body)
        self.over = True
        self._tell(event)

    async def _follow_child(self) -> PullDone | PullFailed:
        """Run the child and hand its events on; return the last one when the process is gone. Raises OSError."""
        process = self._process = await _start(self._job)
        if self._stopped and process.stdin is not None:
            process.stdin.close()
        log = asyncio.create_task(_log_lines(self._job.model, process.stderr))
        terminal = await self._read(process.stdout)
        self.over = True
        status = await _reap(process)
        await log
        return terminal or PullFailed(error=self._failure(status).body)

    def _failure(self, status: int) -> OmlxError:
        if self._stopped:
            return OmlxError(Code.CANCELLED, f"the pull of {self._job.model} was stopped", failures.RESUMES)
        return OmlxError(
            Code.PULL_FAILED, f"the pull of {self._job.model} ended unexpectedly ({_ending(status)})", failures.RESUMES
        )

    async def _read(self, lines: asyncio.StreamReader | None) -> PullDone | PullFailed | None:
        if lines is None:
            return None
        decoder = job.decoder()
        async for line in lines:
            try:
                event = decoder.decode(line)
            except msgspec.DecodeError:
                _log.warning("pull %s: %s", self._job.model, line[:200])
                continue
            if isinstance(event, PullDone | PullFailed):
                return event
            self._tell(event)
        return None

    def _tell(self, event: PullEvent) -> None:
        self._last = event
        for follower in self._followers:
            follower.put_nowait(event)


async def _start(what: Job) -> Process:
    command = [sys.executable, "-I", "-m", "omlx_daemon.models.fetch", msgspec.json.encode(what).decode()]
    return await asyncio.create_subprocess_exec(
        *command, stdin=PIPE, stdout=PIPE, stderr=PIPE, start_new_session=True, limit=LINE_LIMIT_BYTES, cwd="/"
    )


async def _reap(process: Process) -> int:
    """Wait for a child that should be ending; kill its group where it does not. Return its exit status."""
    try:
        return await asyncio.wait_for(process.wait(), END_WITHIN_S)
    except TimeoutError:
        os.killpg(process.pid, signal.SIGKILL)
        return await process.wait()


async def _log_lines(model: str, lines: asyncio.StreamReader | None) -> None:
    if lines is None:
        return
    async for line in lines:
        _log.info("pull %s: %s", model, line.decode(errors="replace").rstrip())


def _ending(status: int) -> str:
    return f"signal {-status}" if status < 0 else f"exit status {status}"
