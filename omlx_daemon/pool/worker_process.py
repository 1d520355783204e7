"""One worker process: how it is spawned, reached and killed."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import socket
import sys
from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Protocol

from omlx_cli.contract.errors import Code, OmlxError
from omlx_daemon.pool.worker_log import forward

STREAM_LIMIT_BYTES = 1 << 20
_HUGE_PAGES = "glibc.malloc.hugetlb=1"
"""Has the C library ask for large pages where it maps memory: on a CPU mlx maps every large array anew."""
_ENVIRONMENT = {"HF_HUB_OFFLINE": "1", "TRANSFORMERS_OFFLINE": "1", "TOKENIZERS_PARALLELISM": "false"}


class Child(Protocol):
    """A running worker, seen from outside."""

    pid: int
    reader: asyncio.StreamReader
    """What the worker sends."""

    def send(self, frame: bytes) -> None:
        """Queue `frame` for the worker; a worker that is gone gets nothing."""
        ...

    async def wait(self) -> int:
        """Return the exit code when the process has ended; -N where signal N killed it."""
        ...

    def kill(self) -> None:
        """Kill the process and its group, without a warning."""
        ...

    def close(self) -> None:
        """Close the connection; a worker that still lives sees its daemon gone."""
        ...


Spawner = Callable[[str], Awaitable[Child]]
"""Starts a worker for the model of that name (the worker learns the rest from `Start`). Raises OmlxError."""


class ProcessChild:
    """A worker in a process group of its own, reached over a socketpair."""

    def __init__(
        self, process: asyncio.subprocess.Process, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> None:
        self.pid = process.pid
        self.reader = reader
        self._process = process
        self._writer = writer
        self._log: asyncio.Task[None] | None = None

    def follow_log(self, name: str) -> None:
        """Forward what the process prints to the daemon's log until it ends."""
        if self._process.stdout is not None:
            self._log = asyncio.create_task(forward(self._process.stdout, name, self.pid))

    def send(self, frame: bytes) -> None:
        """Queue `frame` for the worker; a worker that is gone gets nothing."""
        if not self._writer.is_closing():
            self._writer.write(frame)

    async def wait(self) -> int:
        """Return the exit code when the process has ended; -N where signal N killed it."""
        return await self._process.wait()

    def kill(self) -> None:
        """Kill the process and its group, without a warning."""
        if self._process.returncode is None:
            with contextlib.suppress(ProcessLookupError, PermissionError):
                os.killpg(self.pid, signal.SIGKILL)

    def close(self) -> None:
        """Close the connection; a worker that still lives sees its daemon gone."""
        self._writer.close()


class WorkerSpawner:
    """Spawns workers: `command` plus `--fd N`, with the daemon's environment."""

    def __init__(self, command: Sequence[str] | None = None) -> None:
        self._command = tuple(command or (sys.executable, "-I", "-X", "utf8", "-m", "omlx_daemon.worker"))

    async def __call__(self, name: str) -> Child:
        """Start a worker for `name`. Raises OmlxError(LOAD_FAILED)."""
        ours, theirs = socket.socketpair()
        with theirs:
            try:
                process = await asyncio.create_subprocess_exec(
                    *self._command,
                    "--fd",
                    str(theirs.fileno()),
                    pass_fds=(theirs.fileno(),),
                    stdin=asyncio.subprocess.DEVNULL,
                    stdout=asyncio.subprocess.PIPE,
                    stderr=asyncio.subprocess.STDOUT,
                    env=environment(os.environ),
                    start_new_session=True,
                )
            except OSError as error:
                ours.close()
                raise OmlxError(Code.LOAD_FAILED, f"cannot start a worker for {name}: {error.strerror}") from error
        ours.setblocking(False)
        reader, writer = await asyncio.open_unix_connection(sock=ours, limit=STREAM_LIMIT_BYTES)
        child = ProcessChild(process, reader, writer)
        child.follow_log(name)
        return child


def environment(own: Mapping[str, str], system: str = sys.platform) -> dict[str, str]:
    """Return a worker's environment, given the daemon's; what that says of large pages stands."""
    tunables = own.get("GLIBC_TUNABLES", "")
    if system != "linux" or "glibc.malloc.hugetlb" in tunables:
        return {**own, **_ENVIRONMENT}
    return {**own, **_ENVIRONMENT, "GLIBC_TUNABLES": f"{tunables}:{_HUGE_PAGES}" if tunables else _HUGE_PAGES}


def describe_exit(code: int) -> str:
    """Return what an exit code says, such as `killed by SIGKILL` or `exit code 1`."""
    if code >= 0:
        return f"exit code {code}"
    try:
        name = signal.Signals(-code).name
    except ValueError:
        name = f"signal {-code}"
    return f"killed by {name}"
