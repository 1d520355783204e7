"""One loaded job: when it is spawned, how it ends, and when its label is forgotten."""

from __future__ import annotations

import asyncio
import os
import signal
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from tests.standin.launchd import definition
from tests.standin.launchd.definition import Plist
from tests.standin.process import Process

EX_CONFIG = 78
_DEFAULT_THROTTLE_S, _DEFAULT_EXIT_S = 10.0, 5.0


class Job:
    """`scale` shortens every pause of launchd's; `forget` is called when the label is free again."""

    def __init__(
        self,
        domain: str,
        path: Path,
        content: Plist,
        scale: float,
        library: str,
        note: Callable[..., None],
        forget: Callable[[Job], None],
    ) -> None:
        self.domain, self.path, self.content = domain, path, content
        self.label: str = content["Label"]
        self.state = "not running"
        self.runs = 0
        self.exit_code: int | None = None
        self.process: Process | None = None
        self.ending = False
        self.held = False
        self.hold_s = 0.0
        """For how long at least a spawn that was asked for is held back."""
        self._scale = scale
        self._library = library
        self._note = note
        self._forget = forget
        self._spawned_s = -1e9
        self._again = False
        self._drain_s = 0.0
        self._timer: asyncio.TimerHandle | None = None
        self.spawned = asyncio.Event()
        self.listeners = definition.listeners(content, note)
        if content.get("RunAtLoad") or content.get("KeepAlive"):
            self.demand()
        self._watch()

    @property
    def pid(self) -> int:
        return self.process.pid if self.process else 0

    def demand(self) -> None:
        """Spawn as soon as the throttle allows."""
        if self.process or self._timer or self.ending:
            return
        wait_s = max(self._spawned_s + self._throttle_s() - time.monotonic(), self.hold_s)
        self.state = "spawn scheduled"
        if self.held:
            return
        if wait_s <= 0:
            self._spawn()
        else:
            self._timer = asyncio.get_running_loop().call_later(wait_s, self._spawn)

    def kill_and_demand(self) -> None:
        """Kill the process, if there is one, and spawn another."""
        if self.process:
            self._again = True
            self.process.send(signal.SIGKILL)
        else:
            self.demand()

    def unload(self, drain_s: float) -> None:
        """End the process and forget the label, neither at once."""
        self.ending = True
        self._unwatch()
        for each in self._sockets():
            each.close()
        if self._timer:
            self._timer.cancel()
        if self.process is None:
            asyncio.get_running_loop().call_later(drain_s, self._forget, self)
            return
        self.state = "SIGTERMed"
        self.process.send(signal.SIGTERM)
        exit_s = float(self.content.get("ExitTimeOut", _DEFAULT_EXIT_S)) * self._scale
        asyncio.get_running_loop().call_later(exit_s, self._kill)
        self._drain_s = drain_s

    def end_now(self) -> None:
        """Kill whatever is left."""
        if self.process:
            self.process.end_group(signal.SIGKILL)

    def _kill(self) -> None:
        if self.process:
            self.state = "SIGKILLed"
            self.process.send(signal.SIGKILL)

    def _throttle_s(self) -> float:
        return float(self.content.get("ThrottleInterval", _DEFAULT_THROTTLE_S)) * self._scale

    def _sockets(self) -> list[Any]:
        return [each for several in self.listeners.values() for each in several]

    def _watch(self) -> None:
        for each in self._sockets():
            asyncio.get_running_loop().add_reader(each.fileno(), self._connected)

    def _unwatch(self) -> None:
        for each in self._sockets():
            asyncio.get_running_loop().remove_reader(each.fileno())

    def _connected(self) -> None:
        self._unwatch()
        self._note(event="connection", label=self.label)
        self.demand()

    def _spawn(self) -> None:
        self._timer = None
        self._unwatch()
        self.runs += 1
        self._spawned_s = time.monotonic()
        self.state = "xpcproxy"
        fds = [each.fileno() for each in self._sockets()]
        self.process = Process(self._plan(), fds, self._executed, self._exited)
        self._note(event="spawn", label=self.label, pid=self.pid)
        self.spawned.set()

    def _plan(self) -> dict[str, Any]:
        content = self.content
        argv = list(content.get("ProgramArguments") or [content["Program"]])
        argv[0] = content.get("Program", argv[0])
        limits = content.get("SoftResourceLimits", {})
        return {
            "argv": argv,
            "env": self._environment(),
            "cwd": content.get("WorkingDirectory", "/"),
            "stdout": content.get("StandardOutPath"),
            "stderr": content.get("StandardErrorPath"),
            "umask": content.get("Umask", 0o22),
            "files": limits.get("NumberOfFiles", 256),
            "fds": {} if self._library else {3 + n: each.fileno() for n, each in enumerate(self._sockets())},
            "pid_variable": "LISTEN_PID" if self.listeners and not self._library else "",
        }

    def _environment(self) -> dict[str, str]:
        """A job sees nothing of the shell that asked for it."""
        environment = {name: os.environ[name] for name in ("HOME", "USER", "LOGNAME", "TMPDIR") if name in os.environ}
        environment |= {"PATH": "/usr/bin:/bin:/usr/sbin:/sbin", "XPC_SERVICE_NAME": self.label}
        environment |= self.content.get("EnvironmentVariables", {})
        if self._library:
            given = ";".join(f"{name}:{','.join(str(s.fileno()) for s in s_)}" for name, s_ in self.listeners.items())
            environment |= {"LD_PRELOAD": self._library, "STANDIN_SOCKETS": given}
        elif self.listeners:
            # Without a compiler there is no library to put in front; the numbers travel as systemd's do.
            environment["LISTEN_FDS"] = str(len(self._sockets()))
        return environment

    def _executed(self) -> None:
        if self.state == "xpcproxy":
            self.state = "running"

    def _exited(self, code: int) -> None:
        process, self.process = self.process, None
        self.exit_code = code
        self.spawned.clear()
        self._note(event="exit", label=self.label, code=code)
        if process and not self.content.get("AbandonProcessGroup"):
            process.end_group()
        if self.ending:
            asyncio.get_running_loop().call_later(self._drain_s, self._forget, self)
            return
        self.state = "not running"
        again, self._again = self._again, False
        if again or definition.restarts(self.content, code):
            self.demand()
        self._watch()
