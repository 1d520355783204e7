"""One service of Type=notify: active when it says so, restarted when it fails, given up when it fails too often."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import socket
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from tests.standin.process import Process
from tests.standin.systemd.unit import Unit

_EXITED, _KILLED = 1, 2


class Service:
    """`note` writes the journal; `changed` is called whenever the state changed."""

    def __init__(self, unit: Unit, runtime: Path, note: Callable[..., None], changed: Callable[[], None]) -> None:
        self.unit = unit
        self.state = "inactive"
        self.result = "success"
        self.exit_code = (0, 0)
        self.process: Process | None = None
        self.said: list[str] = []
        self._runtime = runtime
        self._note = note
        self._tell = changed
        self._settled = asyncio.Event()
        self._starts_s: list[float] = []
        self._timer: asyncio.TimerHandle | None = None
        self._line: socket.socket | None = None
        self._stopping = False
        self._restarts = False

    @property
    def shown(self) -> tuple[str, str]:
        """Return ActiveState and SubState; one that failed and waits for its next start counts as being started."""
        if self._restarts:
            return "activating", "auto-restart"
        return self.state, {"active": "running", "inactive": "dead"}.get(self.state, self.state)

    @property
    def pid(self) -> int:
        return self.process.pid if self.process else 0

    async def start(self, listeners: list[socket.socket]) -> bool:
        """Start, after a stop that is under way; return whether the service is active then."""
        while self.state == "deactivating":
            await self._settle()
        if self.state == "active":
            return True
        if self.state != "activating":
            self._begin(listeners)
        await self._settle()
        return self.state == "active"

    async def stop(self) -> None:
        """Stop, and return when it is stopped."""
        self.begin_stop()
        while self.state == "deactivating":
            await self._settle()

    def begin_stop(self) -> None:
        """Send SIGTERM, and SIGKILL when the time is over."""
        self._cancel_timer()
        if self.process is None:
            self._set("failed" if self.state == "failed" else "inactive")
            return
        self._stopping = True
        self._set("deactivating")
        self.process.send(signal.SIGTERM)
        self._after(self.unit.number("Service.TimeoutStopSec", 90), self._kill)

    def reset_failed(self) -> None:
        """Forget failures and how often it was started."""
        self._starts_s.clear()
        if self.state == "failed":
            self.result = "success"
            self._set("inactive")

    def end_now(self) -> None:
        """Kill whatever is left."""
        if self.process:
            self.process.end_group(signal.SIGKILL)

    def _begin(self, listeners: list[socket.socket]) -> None:
        self._cancel_timer()
        now_s = time.monotonic()
        window_s = self.unit.number("Unit.StartLimitIntervalSec", 10)
        self._starts_s = [then for then in self._starts_s if now_s - then < window_s]
        if len(self._starts_s) >= self.unit.number("Unit.StartLimitBurst", 5):
            self.result = "start-limit-hit"
            self._set("failed")
            return
        self._starts_s.append(now_s)
        self._stopping = False
        self.result, self.exit_code = "success", (0, 0)
        self._listeners = listeners
        self._listen()
        fds = {3 + number: each.fileno() for number, each in enumerate(listeners)}
        self.process = Process(self._plan(fds), [*fds.values()], lambda: None, self._exited)
        self._note(event="spawn", unit=self.unit.name, pid=self.pid)
        self._set("activating")
        self._after(self.unit.number("Service.TimeoutStartSec", 90), self._kill)

    def _plan(self, fds: dict[int, int]) -> dict[str, Any]:
        names = ("HOME", "USER", "LOGNAME", "XDG_RUNTIME_DIR")
        environment = {name: os.environ[name] for name in names if name in os.environ}
        environment |= {"PATH": "/usr/local/bin:/usr/bin:/bin", "NOTIFY_SOCKET": str(self._notify_path)}
        environment |= dict(word.split("=", 1) for word in self.unit.words("Service.Environment"))
        if fds:
            environment |= {"LISTEN_FDS": str(len(fds)), "LISTEN_FDNAMES": ":".join(["omlx"] * len(fds))}
        return {
            "argv": self.unit.words("Service.ExecStart"),
            "env": environment,
            "stdout": self._output("StandardOutput"),
            "stderr": self._output("StandardError"),
            "umask": int(self.unit.one("Service.UMask", "0022"), 8),
            "files": int(self.unit.number("Service.LimitNOFILE", 1024)),
            "fds": fds,
            "pid_variable": "LISTEN_PID" if fds else "",
        }

    def _output(self, key: str) -> str:
        return self.unit.one(f"Service.{key}").removeprefix("append:").replace("%%", "%")

    @property
    def _notify_path(self) -> Path:
        return self._runtime / f"{self.unit.name}.notify"

    def _listen(self) -> None:
        """Open the address that the service tells its state to."""
        self._hang_up()
        self._notify_path.unlink(missing_ok=True)
        self._line = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self._line.setblocking(False)
        self._line.bind(str(self._notify_path))
        asyncio.get_running_loop().add_reader(self._line.fileno(), self._told)

    def _hang_up(self) -> None:
        if self._line is not None:
            asyncio.get_running_loop().remove_reader(self._line.fileno())
            self._line.close()
            self._line = None

    def _told(self) -> None:
        assert self._line is not None
        for assignment in self._line.recv(65536).decode().splitlines():
            self.said.append(assignment)
            self._note(event="notify", unit=self.unit.name, said=assignment)
            if assignment == "READY=1" and self.state == "activating":
                self._cancel_timer()
                self._set("active")
            if assignment == "STOPPING=1" and self.state == "active":
                self._set("deactivating")

    def _kill(self) -> None:
        self.result = "timeout"
        if self.process:
            self.process.send(signal.SIGKILL)

    def _exited(self, code: int) -> None:
        process, self.process = self.process, None
        # What it said last may have come in the same moment.
        with contextlib.suppress(BlockingIOError):
            while self._line is not None:
                self._told()
        self._cancel_timer()
        self._hang_up()
        if process:
            process.end_group(signal.SIGKILL)
        self.exit_code = (_EXITED, code) if code >= 0 else (_KILLED, -code)
        self._note(event="exit", unit=self.unit.name, code=code)
        clean = code in (0, -signal.SIGTERM) and self.state != "activating"
        if not clean and self.result == "success":
            self.result = "protocol" if code == 0 else "exit-code" if code > 0 else "signal"
        if clean or self._stopping:
            self._set("inactive" if self.result == "success" else "failed")
        else:
            self._set("failed")
            self._restart(code)

    def _restart(self, code: int) -> None:
        hopeless = self.unit.one("Service.RestartPreventExitStatus").split()
        if self.unit.one("Service.Restart") == "on-failure" and str(code) not in hopeless:
            self._after(self.unit.number("Service.RestartSec", 0.1), lambda: self._begin(self._listeners))
            self._restarts = True

    def _after(self, seconds: float, act: Callable[[], None]) -> None:
        self._cancel_timer()
        self._timer = asyncio.get_running_loop().call_later(seconds, act)

    def _cancel_timer(self) -> None:
        self._restarts = False
        if self._timer:
            self._timer.cancel()
            self._timer = None

    def _set(self, state: str) -> None:
        self.state = state
        settled, self._settled = self._settled, asyncio.Event()
        settled.set()
        self._tell()

    async def _settle(self) -> None:
        """Wait for the next change of a state that does not last."""
        while self.state in ("activating", "deactivating"):
            await self._settled.wait()
