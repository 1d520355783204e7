"""What the daemon says of itself."""

from __future__ import annotations

import os
import sys
import uuid
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime

from omlx_cli import __version__
from omlx_cli.contract.api import DaemonInfo, DaemonState, Health, ReloadReply, Status
from omlx_cli.contract.paths import Paths
from omlx_daemon.listeners import Listeners
from omlx_daemon.pool.pool import Pool
from omlx_daemon.pool.state import StateStore


class RunningDaemon:
    """Implements `core.ports.Daemon`. `clock` is monotonic, in seconds; `stop` begins a graceful stop, `reload` reads
    the settings again."""

    def __init__(
        self,
        paths: Paths,
        listeners: Listeners,
        pool: Pool,
        state: StateStore,
        clock: Callable[[], float],
        stop: Callable[[], None],
        reload: Callable[[], Awaitable[ReloadReply]],
    ) -> None:
        self.phase = DaemonState.STARTING
        self.manager = "process"
        self.home_troubles: Callable[[], tuple[str, ...]] = tuple
        """Tells what is wrong with the home."""
        self._paths = paths
        self._listeners = listeners
        self._pool = pool
        self._state = state
        self._clock = clock
        self._stop = stop
        self._reload = reload
        self._began_s = clock()
        self._started_at = datetime.now(UTC).isoformat(timespec="seconds").replace("+00:00", "Z")
        self._start_id = uuid.uuid4().hex

    def live_in(self, is_ours: Callable[[], bool]) -> None:
        """Write state only while the home is that in which the daemon began, as `is_ours` tells."""
        self._state.is_ours = is_ours

    @property
    def state(self) -> DaemonState:
        """Where the daemon is in its life; a ready one whose worker makes no step is stuck."""
        if self.phase is DaemonState.READY and self._pool.stuck():
            return DaemonState.STUCK
        return self.phase

    def health(self) -> Health:
        """Return who is answering, and in which state."""
        return Health(
            version=__version__,
            state=self.state,
            prefix=sys.prefix,
            pid=os.getpid(),
            start_id=self._start_id,
            stuck=self._pool.stuck(),
        )

    def info(self) -> DaemonInfo:
        """Return the daemon's description."""
        return DaemonInfo(
            version=__version__,
            state=self.state,
            pid=os.getpid(),
            start_id=self._start_id,
            prefix=sys.prefix,
            home=str(self._paths.home),
            socket=str(self._paths.socket),
            address=self._listeners.address,
            tcp_error=self._listeners.tcp_error,
            troubles=(*self._state.troubles, *self.home_troubles()),
            manager=self.manager,
            started_at=self._started_at,
            uptime_s=round(self._clock() - self._began_s, 3),
        )

    def status(self) -> Status:
        """Return the whole picture; never waits."""
        rows = self._pool.rows()
        return Status(
            daemon=self.info(),
            models=rows,
            running=sum(row.running for row in rows),
            queued=sum(row.queued for row in rows),
            requests_total=self._state.requests_total,
            memory_limit_bytes=self._pool.limit_bytes,
            memory_used_bytes=self._pool.used_bytes,
            memory=self._pool.memory(),
        )

    async def reload(self) -> ReloadReply:
        """Read the settings again and apply what can be. Raises OmlxError(INVALID_CONFIG), nothing changed."""
        return await self._reload()

    def request_shutdown(self) -> None:
        """Begin a graceful stop, as SIGTERM does."""
        self._stop()
