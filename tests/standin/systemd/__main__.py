"""A stand-in for the user's systemd: `python -m tests.standin.systemd FOLDER`, and `systemctl` talks to it.

Units lie in `$XDG_CONFIG_HOME/systemd/user`; one that is loaded keeps what was read until `daemon-reload`.
"""

from __future__ import annotations

import asyncio
import os
import socket
import sys
from pathlib import Path

from tests.standin.server import Folder, Reply, serve
from tests.standin.systemd.service import Service
from tests.standin.systemd.unit import Unit

_OPTIONS = {"--user", "--no-pager", "--no-block", "--quiet"}


class Listener:
    """One socket unit and the service that its first connection starts."""

    def __init__(self, unit: Unit) -> None:
        self.unit = unit
        self.state = "inactive"
        self.sockets: list[socket.socket] = []

    @property
    def shown(self) -> tuple[str, str]:
        """Return ActiveState and SubState."""
        return self.state, {"active": "listening", "inactive": "dead"}.get(self.state, self.state)

    def open(self) -> None:
        """Listen. Raises OSError."""
        host, _, port = self.unit.one("Socket.ListenStream").rpartition(":")
        listener = socket.socket(socket.AF_INET6 if host.startswith("[") else socket.AF_INET)
        self.state = "failed"
        try:
            listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            listener.bind((host.strip("[]"), int(port)))
            listener.listen(128)
        except OSError:
            listener.close()
            raise
        self.sockets, self.state = [listener], "active"

    def close(self) -> None:
        """Let go of the port."""
        for each in self.sockets:
            asyncio.get_running_loop().remove_reader(each.fileno())
            each.close()
        self.sockets, self.state = [], "inactive"


class Systemd:
    """The units of one user."""

    def __init__(self, folder: Folder) -> None:
        self._folder = folder
        self._units = Path(os.environ["XDG_CONFIG_HOME"]) / "systemd" / "user"
        self._services: dict[str, Service] = {}
        self._listeners: dict[str, Listener] = {}
        self._starting: asyncio.Future[bool] | None = None

    async def answer(self, words: list[str]) -> Reply:
        """Run one verb."""
        options = {word for word in words if word.startswith("--")}
        unknown = {word for word in options if word not in _OPTIONS and not word.startswith("--property=")}
        verb, *rest = [word for word in words if not word.startswith("--")] or [""]
        run = getattr(self, f"_{verb.replace('-', '_')}", None)
        if unknown or run is None or "--user" not in options:
            return Reply(1, err=f"Unknown command verb or option: {' '.join(words)}\n")
        planned = self._folder.failure(verb)
        if planned:
            return Reply(planned, err="planned\n")
        try:
            await run(options, *rest)
        except Reply as reply:
            return reply
        return Reply(0)

    def end(self) -> None:
        """Kill every process."""
        for service in self._services.values():
            service.end_now()

    async def _show_environment(self, _: set[str]) -> None:
        raise Reply(0, out=f"HOME={os.environ['HOME']}\n")

    async def _daemon_reload(self, _: set[str]) -> None:
        for name, service in list(self._services.items()):
            if (self._units / name).exists():
                service.unit = Unit.read(self._units / name)
            elif not service.pid:
                del self._services[name]
        for name, listener in list(self._listeners.items()):
            if (self._units / name).exists():
                listener.unit = Unit.read(self._units / name)
            else:
                listener.close()
                del self._listeners[name]

    async def _start(self, _: set[str], *names: str) -> None:
        for name in names:
            if name.endswith(".socket"):
                self._open(name)
                continue
            service = self._service(name)
            wanted = service.unit.one("Unit.Wants")
            if wanted and (self._units / wanted).exists() and not service.pid:
                try:
                    self._open(wanted)
                except Reply as refused:
                    self._folder.note(event="wanted", unit=wanted, err=refused.err)
            if not await service.start(self._sockets_of(name)):
                raise Reply(1, err=f"Job for {name} failed because the control process exited with error code.\n")

    async def _stop(self, options: set[str], *names: str) -> None:
        for name in names:
            if name.endswith(".socket"):
                self._listener(name).close()
            elif "--no-block" in options:
                self._service(name).begin_stop()
            else:
                await self._service(name).stop()

    async def _reset_failed(self, _: set[str], *names: str) -> None:
        for name in names:
            if name.endswith(".socket"):
                listener = self._listener(name)
                listener.state = "inactive" if listener.state == "failed" else listener.state
            else:
                self._service(name).reset_failed()

    async def _enable(self, _: set[str], *names: str) -> None:
        for name in names:
            link = self._link(name)
            link.parent.mkdir(parents=True, exist_ok=True)
            link.unlink(missing_ok=True)
            link.symlink_to(self._units / name)

    async def _disable(self, _: set[str], *names: str) -> None:
        for name in names:
            for link in self._units.glob(f"*.wants/{name}"):
                link.unlink()

    async def _mask(self, _: set[str], *names: str) -> None:
        for name in names:
            path = self._units / name
            if path.exists():
                raise Reply(1, err=f"Failed to mask unit: File '{path}' already exists.\n")
            path.parent.mkdir(parents=True, exist_ok=True)
            path.symlink_to(os.devnull)

    async def _unmask(self, _: set[str], *names: str) -> None:
        for name in filter(self._is_masked, names):
            (self._units / name).unlink()

    async def _is_enabled(self, _: set[str], name: str) -> None:
        state = self._file_state(name)
        raise Reply(0 if state == "enabled" else 1, out=f"{state}\n")

    async def _is_active(self, _: set[str], name: str) -> None:
        part = self._listener(name) if name.endswith(".socket") else self._service(name)
        active, _sub = part.shown
        raise Reply(0 if active == "active" else 3, out=f"{active}\n")

    async def _show(self, options: set[str], name: str) -> None:
        shown = self._properties(name)
        wanted = [names.split(",") for option in options if (names := option.removeprefix("--property=")) != option]
        raise Reply(0, out="".join(f"{key}={shown[key]}\n" for key in (wanted[0] if wanted else shown)))

    def _properties(self, name: str) -> dict[str, str]:
        found = dict.fromkeys(("Result", "UnitFileState"), "") | {"SubState": "dead"}
        found |= {"MainPID": "0", "ExecMainCode": "0", "ExecMainStatus": "0", "NeedDaemonReload": "no"}
        try:
            part = self._listener(name) if name.endswith(".socket") else self._service(name)
        except Reply:
            state = "masked" if self._is_masked(name) else "not-found"
            return found | {"LoadState": state, "ActiveState": "inactive", "UnitFileState": self._file_state(name)}
        active, sub = part.shown
        found |= {"LoadState": "loaded", "ActiveState": active, "SubState": sub}
        found["UnitFileState"] = self._file_state(name)
        path = self._units / name
        if not path.exists() or path.read_bytes() != part.unit.data:
            found["NeedDaemonReload"] = "yes"
        if isinstance(part, Service):
            code, status = part.exit_code
            found |= {"MainPID": str(part.pid), "Result": part.result}
            found |= {"ExecMainCode": str(code), "ExecMainStatus": str(status)}
        return found

    def _is_masked(self, name: str) -> bool:
        return (self._units / name).resolve() == Path(os.devnull)

    def _file_state(self, name: str) -> str:
        if self._is_masked(name):
            return "masked"
        if not (self._units / name).exists():
            return ""
        return "enabled" if any(self._units.glob(f"*.wants/{name}")) else "disabled"

    def _link(self, name: str) -> Path:
        unit = Unit.read(self._units / name)
        return self._units / f"{unit.one('Install.WantedBy')}.wants" / name

    def _open(self, name: str) -> None:
        listener = self._listener(name)
        if listener.state == "active":
            return
        if self._service_of(name).state == "active":
            raise Reply(1, err=f"Socket service {self._service_of(name).unit.name} already active, refusing.\n")
        try:
            listener.open()
        except OSError as error:
            raise Reply(1, err=f"Job for {name} failed. ({error})\n") from error
        self._watch()

    def _watch(self) -> None:
        """Wait for connections where a service is down, and leave them to it where it is not."""
        loop = asyncio.get_running_loop()
        for name, listener in self._listeners.items():
            service = self._service_of(name)
            for each in listener.sockets:
                loop.remove_reader(each.fileno())
                if service.state in ("inactive", "failed"):
                    loop.add_reader(each.fileno(), self._connected, name)

    def _connected(self, name: str) -> None:
        service = self._service_of(name)
        if service.result == "start-limit-hit":
            self._listeners[name].close()
            self._listeners[name].state = "failed"
            return
        for each in self._listeners[name].sockets:
            asyncio.get_running_loop().remove_reader(each.fileno())
        self._folder.note(event="connection", unit=name)
        self._starting = asyncio.ensure_future(service.start(self._listeners[name].sockets))

    def _sockets_of(self, name: str) -> list[socket.socket]:
        listener = self._listeners.get(name.replace(".service", ".socket"))
        return listener.sockets if listener else []

    def _service_of(self, name: str) -> Service:
        return self._service(name.replace(".socket", ".service"))

    def _service(self, name: str) -> Service:
        if name not in self._services:
            self._services[name] = Service(self._load(name), self._folder.path, self._folder.note, self._watch)
        return self._services[name]

    def _listener(self, name: str) -> Listener:
        if name not in self._listeners:
            self._listeners[name] = Listener(self._load(name))
        return self._listeners[name]

    def _load(self, name: str) -> Unit:
        if self._is_masked(name):
            raise Reply(1, err=f"Failed to start {name}: Unit {name} is masked.\n")
        try:
            return Unit.read(self._units / name)
        except FileNotFoundError as error:
            raise Reply(5, err=f"Failed: Unit {name} not found.\n") from error


if __name__ == "__main__":
    _folder = Folder(Path(sys.argv[1]))
    _systemd = Systemd(_folder)
    asyncio.run(serve(_folder, _systemd.answer, _systemd.end))
