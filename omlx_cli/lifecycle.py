"""The daemon's start and stop, as the CLI decides them.

Whoever wants a daemon pings; if nobody fit answers, takes `run/start.lock`, pings again, starts, and lets
go. The daemon holds `run/daemon.lock` for life, so a lock that is free means that it is gone.
"""

from __future__ import annotations

import signal
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager

from omlx_cli import __version__, locks, processes
from omlx_cli.client import Client
from omlx_cli.contract import files, routes, storage
from omlx_cli.contract.api import PROTOCOL, DaemonState, Done, Health, Status
from omlx_cli.contract.errors import Code, OmlxError
from omlx_cli.contract.paths import Paths
from omlx_cli.contract.units import format_duration
from omlx_cli.service import Service

_POLL_S = 0.05
_FORCE = ((signal.SIGTERM, 0.2), (signal.SIGTERM, 2.5), (signal.SIGKILL, 5.0))
"""What ends a daemon now, and the seconds each may take: it drains at the first and stops at the second."""
_SILENCE_S = 2.0
_PATIENCE_S = 3.0
_SETTLED = (DaemonState.READY, DaemonState.STUCK)


class Lifecycle:
    """The start and stop of one home's daemon.

    `start_timeout_s` is asked for only when a daemon is started, so that broken settings do not keep one
    from being stopped; `warn` takes one line for people.
    """

    def __init__(
        self,
        paths: Paths,
        client: Client,
        service: Service,
        start_timeout_s: Callable[[], float],
        warn: Callable[[str], None],
    ) -> None:
        self._paths = paths
        self._client = client
        self._service = service
        self._start_timeout_s = start_timeout_s
        self._warn = warn

    def ensure(self) -> Health:
        """Return a daemon that is ready, started or replaced if need be. Raises OmlxError."""
        health = self._client.health()
        if health and self._fits(health):
            return health
        self.create_home()
        timeout_s = self._start_timeout_s()
        deadline_s = time.monotonic() + timeout_s
        try:
            with self._start_lock(deadline_s):
                return self._start(deadline_s)
        except TimeoutError as error:
            raise _not_ready(timeout_s) from error

    @contextmanager
    def _start_lock(self, deadline_s: float) -> Iterator[None]:
        with ExitStack() as stack:
            try:
                stack.enter_context(locks.held(self._paths.start_lock, deadline_s))
            except TimeoutError:
                raise
            except OSError as error:
                raise storage.unusable(error, f"cannot open {self._paths.start_lock}") from error
            yield

    def stop(self, timeout_s: float, force: bool = False) -> bool:
        """Stop the daemon and wait until it is gone; return whether there was one.

        Running requests may finish within the daemon's own deadline, or are cut off with `force`.
        Raises OmlxError(NOT_READY) where it is still there after `timeout_s`.
        """
        health = self._probe(force)
        self.release()
        if health is None and not self._is_held():
            return False
        if force:
            self._end_now(health.pid if health else self._holder())
        elif not self._wait_gone(timeout_s, health):
            raise OmlxError(
                Code.NOT_READY, "the daemon is still finishing its requests", "omlx stop --force  cuts them off"
            )
        return True

    def release(self) -> None:
        """See to it that no connection starts a daemon, and that nobody holds its port in waiting."""
        self._service.stop()

    def is_gone(self) -> bool:
        """Tell whether no daemon is left, not even one that starts or drains."""
        return not self._is_held() and self._probe(force=True) is None

    def create_home(self) -> None:
        """Make the home's folders. Raises OmlxError."""
        try:
            self._paths.create()
        except OSError as error:
            raise storage.unusable(error, f"cannot make {error.filename}") from error

    def _is_held(self) -> bool:
        """Tell whether a daemon holds the home, if need be without a run directory. Raises OmlxError."""
        try:
            return locks.is_held(self._paths.daemon_lock) or locks.is_held(self._paths.home)
        except OSError as error:
            raise storage.unusable(error, f"cannot open {error.filename}") from error

    def _start(self, deadline_s: float) -> Health:
        """Bring a daemon up; called under the start lock. Raises OmlxError, TimeoutError."""
        started = False
        # A daemon that holds the home and does not answer starts, ends, or makes its deleted socket anew.
        patient_until_s = time.monotonic() + _PATIENCE_S
        while time.monotonic() < deadline_s:
            health = self._client.health()
            if health is None and self._is_held() and time.monotonic() < patient_until_s:
                time.sleep(_POLL_S)
            elif health is None:
                started = self._start_once(deadline_s - time.monotonic()) or started
            elif health.state in _SETTLED and (started or self._fits(health)):
                return health
            elif health.state in _SETTLED:
                self._ask_to_stop()
            if not started:
                time.sleep(_POLL_S)
        raise TimeoutError

    def _start_once(self, timeout_s: float) -> bool:
        """Start the daemon; False where the old one has not let go of its lock yet."""
        try:
            self._service.start(timeout_s)
        except OmlxError as error:
            if error.code is Code.ALREADY_RUNNING:
                return False
            raise
        return True

    def _fits(self, health: Health) -> bool:
        """Tell whether to talk to this daemon: it is settled, and of our version or too busy to replace."""
        if health.state not in _SETTLED:
            return False
        if health.version == __version__:
            return True
        if not self._is_busy():
            return False
        if health.protocol != PROTOCOL:
            raise OmlxError(
                Code.DAEMON_UNREACHABLE,
                f"the running daemon is omlx {health.version} and busy; omlx {__version__} cannot talk to it",
                "omlx restart  replaces it",
            )
        self._warn(f"the running daemon is omlx {health.version}, this is {__version__}; omlx restart  replaces it")
        return True

    def _is_busy(self) -> bool:
        try:
            status = self._client.get(routes.STATUS, Status)
        except OmlxError:
            return True
        return bool(status.running or status.queued or any(row.state == "loading" for row in status.models))

    def _probe(self, force: bool) -> Health | None:
        """Return who answers; with `force`, a daemon that is silent counts as nobody."""
        try:
            return self._client.health(_SILENCE_S) if force else self._client.health()
        except OmlxError:
            if force:
                return None
            raise

    def _ask_to_stop(self) -> None:
        try:
            self._client.post(routes.SHUTDOWN, {}, Done)
        except OmlxError as error:
            if error.code is not Code.DAEMON_UNREACHABLE:
                raise

    def _wait_gone(self, timeout_s: float, seen: Health | None) -> bool:
        """Ask the daemon that was `seen` to stop, once, and wait for its end; False after `timeout_s`.

        Where none was seen it is the first one that answers. The next one, which another command started, stays.
        """
        deadline_s = time.monotonic() + timeout_s
        is_asked = False
        while not self.is_gone() or (seen and processes.is_daemon(seen.pid)):
            is_ending = is_asked and seen and processes.is_daemon(seen.pid)
            health = None if is_ending else self._client.health()
            if health and seen and health.start_id != seen.start_id:
                return True
            if health and not is_asked:
                self._ask_to_stop()
                is_asked, seen = True, health
            if time.monotonic() > deadline_s:
                return False
            time.sleep(_POLL_S)
        return True

    def _end_now(self, pid: int) -> None:
        """Interrupt the daemon's drain, then kill it if it lingers. Raises OmlxError(INTERNAL)."""
        for kind, wait_s in _FORCE:
            processes.signal_daemon(pid, kind)
            deadline_s = time.monotonic() + wait_s
            while time.monotonic() < deadline_s:
                if self._has_ended(pid):
                    return
                time.sleep(_POLL_S)
        who = f"process {pid}" if pid else "the daemon's process, which is not known,"
        raise OmlxError(Code.INTERNAL, f"{who} could not be ended", "omlx status  shows who answers")

    def _has_ended(self, pid: int) -> bool:
        """Tell whether a daemon is gone; the next one, which another command started, may hold the home by now."""
        if processes.is_daemon(pid):
            return False
        return self.is_gone() or (pid != 0 and self._holder() not in (0, pid))

    def _holder(self) -> int:
        """Return the process that holds the daemon's lock, as it wrote itself; 0 where it is not known."""
        try:
            text = files.read_text(self._paths.daemon_lock, "ascii").strip()
        except (OSError, UnicodeDecodeError):
            return 0
        return int(text) if text.isdecimal() and locks.is_held(self._paths.daemon_lock) else 0


def _not_ready(timeout_s: float) -> OmlxError:
    return OmlxError(
        Code.NOT_READY,
        f"the daemon was not ready within {format_duration(timeout_s)}",
        "omlx logs  may tell why; daemon.start_timeout in the settings gives it longer",
    )
