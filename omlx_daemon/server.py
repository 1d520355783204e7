"""The daemon's life: lock, listen, serve, drain."""

from __future__ import annotations

import asyncio
import contextlib
import gc
import logging
import math
import os
import signal
import sys
from collections.abc import Callable, Coroutine, Iterator
from socket import socket
from typing import Any

import uvicorn
import uvloop

from omlx_cli.contract import keys
from omlx_cli.contract.api import DaemonState, SlotState
from omlx_cli.contract.errors import Code, OmlxError
from omlx_cli.contract.units import format_duration, parse_duration_s
from omlx_daemon import app as composition
from omlx_daemon.configuration import LiveSettings
from omlx_daemon.home import Description, Home, clear
from omlx_daemon.homewatch import HomeWatch
from omlx_daemon.idle import IdleWatch
from omlx_daemon.listeners import Listeners, listen
from omlx_daemon.origin import Origin
from omlx_daemon.pool.worker_process import Spawner
from omlx_daemon.ready import ReadyPipe

KEEP_ALIVE_S = 75
LINGER_S = 5
"""How long connections may take to close when every request has ended."""
TICK_S = 1.0

_log = logging.getLogger(__name__)


def serve(home: Home, settings: LiveSettings, ready: ReadyPipe, spawn: Spawner, origin: Origin) -> None:
    """Run the daemon until it is told to stop. Raises OmlxError."""
    listeners = listen(
        home.paths.socket, settings.current.server, origin.listeners, lambda: keys.exist(home.paths.keys)
    )
    try:
        with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
            runner.run(Life(home, settings, ready, listeners, spawn, origin).run())
    finally:
        listeners.close()
        clear(home)


class Life:
    """One daemon from its first to its last request."""

    def __init__(
        self,
        home: Home,
        settings: LiveSettings,
        ready: ReadyPipe,
        listeners: Listeners,
        spawn: Spawner,
        origin: Origin,
    ) -> None:
        self._settings = settings
        self._ready = ready
        self._listeners = listeners
        self._origin = origin
        self._parts = composition.build(home.paths, settings, listeners, spawn, self.stop)
        self._parts.daemon.manager = origin.manager
        self._server = HttpServer(self._parts.app)
        self._description = Description(home, self._parts.daemon.info)
        self._watch = HomeWatch(home, self._description, self._server.admit, self.stop)
        self._parts.daemon.home_troubles = lambda: self._watch.troubles
        self._parts.daemon.live_in(home.lock.has_home)
        self._stopping = asyncio.Event()
        self._has_terminal = origin.manager == "foreground" and os.isatty(sys.stderr.fileno())
        self._reload: asyncio.Task[None] | None = None

    async def run(self) -> None:
        """Serve until told to stop, then let running requests finish."""
        loop = asyncio.get_running_loop()
        for kind in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(kind, self.signalled)
        loop.add_signal_handler(signal.SIGHUP, self.hung_up)
        scan = asyncio.create_task(asyncio.to_thread(self._parts.registry.scan))
        serving = asyncio.create_task(self._server.serve(list(self._listeners.sockets)))
        await _first(serving, self._server.listening.wait())
        await scan
        self._announce()
        # Reading a large cache directory takes a moment, and nobody waits for it but the first model.
        self._parts.cache.begin()
        works = (self._parts.pool.run(), self._parts.cache.run(), self._idle(), self._watch.run())
        watches = [asyncio.create_task(work) for work in works]
        for watch in watches:
            watch.add_done_callback(_log_failure)
        await _first(serving, self._stopping.wait())
        for watch in watches:
            watch.cancel()
        await self._drain()
        await serving

    def signalled(self) -> None:
        """Begin a graceful stop; a second signal ends it at once."""
        if self._stopping.is_set():
            _log.warning("stopping now")
            self._parts.pool.hurry()
            self._server.force_exit = True
        self.stop()

    def hung_up(self) -> None:
        """Read the settings again; where the terminal of a daemon in the foreground was closed, begin to stop."""
        if self._has_terminal and not os.isatty(sys.stderr.fileno()):
            _let_go_of_the_terminal()
            self.signalled()
        else:
            self._reload = asyncio.create_task(self._read_again())

    def stop(self) -> None:
        """Begin a graceful stop, unless it has begun."""
        self._parts.daemon.phase = DaemonState.DRAINING
        self._parts.pool.drain()
        if not self._stopping.is_set():
            self._ready.stopping()
        self._stopping.set()

    async def _read_again(self) -> None:
        try:
            await self._parts.daemon.reload()
        except OmlxError as error:
            _log.error("the settings stay as they are: %s", error)

    async def _idle(self) -> None:
        """End when nobody has wanted anything for `daemon.idle_exit`, if a connection would start another daemon."""
        idle_s = parse_duration_s(self._settings.current.daemon.idle_exit)
        if math.isinf(idle_s) or not self._origin.starts_on_connection:
            return
        state = self._server.server_state
        await IdleWatch(idle_s, self._is_wanted, lambda: state.total_requests).wait()
        _log.info("nobody wanted anything for %s", format_duration(idle_s))
        # From here on the service manager alone holds the port, so that a connection starts the next daemon.
        self._server.end()
        self.stop()

    def _is_wanted(self) -> bool:
        rows = self._parts.pool.rows()
        working = any(row.running or row.queued or row.state == SlotState.LOADING for row in rows)
        return working or any(row.pinned for row in rows) or bool(self._server.server_state.connections)

    def _announce(self) -> None:
        daemon = self._parts.daemon
        if not self._stopping.is_set():
            daemon.phase = DaemonState.READY
        info = daemon.info()
        self._description.keep()
        # What is there now stays: a full collection would look at all of it while streams wait.
        gc.freeze()
        # First: whoever waits for the word may look into the log, or delete it, at once.
        _log.info("ready: %s and %s", info.socket, info.address or info.tcp_error)
        self._ready.ready()

    async def _drain(self) -> None:
        _log.info("stopping")
        deadline_s = parse_duration_s(self._settings.current.daemon.stop_timeout)
        await asyncio.gather(self._parts.models.close(), self._parts.pool.close(deadline_s))
        self._parts.hub.close()
        await self._parts.cache.close()
        self._server.end()


async def _first(serving: asyncio.Task[None], event: Coroutine[Any, Any, object]) -> None:
    """Wait for `event`; a server that ends before raises what ended it."""
    waiting = asyncio.create_task(event)
    await asyncio.wait([serving, waiting], return_when=asyncio.FIRST_COMPLETED)
    if serving.done():
        waiting.cancel()
        serving.result()
        raise OmlxError(Code.INTERNAL, "the HTTP server ended unasked", "omlx logs  may tell why")


def _let_go_of_the_terminal() -> None:
    """Point the standard streams at nothing: writing to a terminal that is gone fails."""
    nothing = os.open(os.devnull, os.O_RDWR)
    for fd in range(3):
        os.dup2(nothing, fd)
    os.close(nothing)


def _log_failure(task: asyncio.Task[None]) -> None:
    if not task.cancelled() and task.exception() is not None:
        _log.error("a watch failed", exc_info=task.exception())


class HttpServer(uvicorn.Server):
    """uvicorn on sockets of ours, without its signal handlers, and with one tick a second instead of ten."""

    def __init__(self, app: object) -> None:
        super().__init__(
            uvicorn.Config(
                app,  # type: ignore[arg-type]
                loop="none",
                http="httptools",
                ws="none",
                lifespan="on",
                log_config=None,
                access_log=False,
                proxy_headers=False,
                server_header=False,
                timeout_keep_alive=KEEP_ALIVE_S,
                timeout_graceful_shutdown=LINGER_S,
            )
        )
        self.listening = asyncio.Event()
        self._ending = asyncio.Event()

    def end(self) -> None:
        """Close the sockets and end `serve` when the open connections are done."""
        self.should_exit = True
        self._ending.set()

    async def startup(self, sockets: list[socket] | None = None) -> None:
        """Start the application and take connections."""
        await super().startup(sockets)
        self.listening.set()

    async def admit(self, listener: socket) -> None:
        """Take connections from a new control socket; those of the old one go on."""
        old = self.servers[0]
        loop = asyncio.get_running_loop()
        self.servers[0] = await loop.create_server(self._protocol, sock=listener, backlog=self.config.backlog)
        old.close()

    def _protocol(self) -> asyncio.Protocol:
        make: Callable[..., asyncio.Protocol] = self.config.http_protocol_class
        return make(config=self.config, server_state=self.server_state, app_state=self.lifespan.state)

    async def main_loop(self) -> None:
        """Refresh the date header once a second until the end."""
        while not await self.on_tick(0):
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(TICK_S):
                    await self._ending.wait()

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Leave the signals to the daemon."""
        yield
