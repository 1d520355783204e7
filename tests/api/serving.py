"""The real app on a real uvicorn, on a free TCP port and a unix socket, in a thread."""

from __future__ import annotations

import http.client
import json
import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import uvicorn

from omlx_cli.contract.live import LiveCache
from omlx_cli.contract.settings import ServerSettings, Settings
from omlx_daemon.api.app import create_app
from omlx_daemon.api.keyring import HandedOut
from omlx_daemon.canonical.chosen import ChosenRules
from omlx_daemon.core.errors import model_not_found
from omlx_daemon.core.models import ModelSpec
from omlx_daemon.core.options import Options
from omlx_daemon.core.ports import Inference
from omlx_daemon.live.hub import Hub
from omlx_daemon.live.journal import Log
from tests.api.cache_port import PlainCache
from tests.api.ports import OneSlot, PlainNames, ShelfModels, StillDaemon, TwoRequests
from tests.api.scripts import ScriptedInference

JSON = {"content-type": "application/json"}


class Served:
    """One running app and the parts behind it."""

    def __init__(self, settings: ServerSettings, unix_path: Path) -> None:
        self.inference = ScriptedInference()
        self.models = ShelfModels()
        self.slots = OneSlot()
        self.daemon = StillDaemon()
        self.live = TwoRequests()
        self.names = PlainNames()
        self.cache = PlainCache()
        self.rules = ChosenRules(Settings, Options(), _no_model)
        self.settings = settings
        self.unix_path = unix_path
        self.keys_path = unix_path.with_suffix(".keys.json")
        self.port = 0

    @property
    def url(self) -> str:
        """The base of every route over TCP."""
        return f"http://127.0.0.1:{self.port}"

    def connect(self) -> http.client.HTTPConnection:
        """Return a connection over TCP."""
        return http.client.HTTPConnection("127.0.0.1", self.port, timeout=60)

    def connect_unix(self) -> http.client.HTTPConnection:
        """Return a connection over the unix socket."""
        connection = http.client.HTTPConnection("localhost", timeout=60)
        connection.sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        connection.sock.connect(str(self.unix_path))
        return connection

    def ask(self, method: str, path: str, body: object = None, headers: dict[str, str] | None = None) -> Answer:
        """Return the answer over TCP; a body that is no bytes is sent as JSON."""
        return exchange(self.connect(), method, path, body, headers)

    def ask_until(self, enough: Callable[[str], bool], path: str, body: object) -> Answer:
        """Return the answer of a script that goes on once what came so far is `enough`."""
        self.inference.go.clear()
        connection = self.connect()
        try:
            connection.request("POST", path, json.dumps(body).encode(), JSON)
            response, begun = connection.getresponse(), b""
            while not enough(begun.decode()) and (line := response.readline()):
                begun += line
            self.inference.go.set()
            return Answer(response, begun)
        finally:
            self.inference.go.set()
            connection.close()

    def ask_unix(self, method: str, path: str, body: object = None, headers: dict[str, str] | None = None) -> Answer:
        """Return the answer over the unix socket."""
        return exchange(self.connect_unix(), method, path, body, headers)


class Answer:
    """One whole response."""

    def __init__(self, response: http.client.HTTPResponse, begun: bytes = b"") -> None:
        """Read the response, of which the beginning may be read already."""
        self.status = response.status
        self.headers = {name.lower(): value for name, value in response.getheaders()}
        self.text = (begun + response.read()).decode()

    @property
    def json(self) -> Any:
        """The body, decoded."""
        return json.loads(self.text)


def exchange(
    connection: http.client.HTTPConnection, method: str, path: str, body: object, headers: dict[str, str] | None
) -> Answer:
    """Send one request and return its answer."""
    data = body if isinstance(body, bytes) or body is None else json.dumps(body).encode()
    try:
        connection.request(method, path, data, JSON if headers is None else headers)
        return Answer(connection.getresponse())
    finally:
        connection.close()


@contextmanager
def serving(
    unix_path: Path, settings: ServerSettings | None = None, inference: Inference | None = None
) -> Iterator[Served]:
    """Serve until the block ends; `inference` plays in the place of the scripts."""
    served = Served(settings or ServerSettings(), unix_path)
    ports = (inference or served.inference, served.models, served.slots, served.daemon)
    log = Log(time.monotonic, time.time)
    hub = Hub(log, served.daemon.status, served.live.requests, LiveCache, clock=time.monotonic, wall=time.time)
    app = create_app(
        *ports,
        lambda: Settings(server=served.settings),
        cache=served.cache,
        requests=served.live,
        watching=hub,
        names=served.names,
        rules=served.rules,
        handed_out=HandedOut(served.keys_path),
    )
    sockets = [_bound(socket.AF_INET, ("127.0.0.1", 0)), _bound(socket.AF_UNIX, str(unix_path))]
    served.port = sockets[0].getsockname()[1]
    server = uvicorn.Server(uvicorn.Config(app, log_config=None, timeout_graceful_shutdown=5, timeout_keep_alive=120))
    thread = threading.Thread(target=server.run, args=(sockets,))
    thread.start()
    try:
        until(lambda: server.started)
        yield served
    finally:
        server.should_exit = True
        thread.join()
        for listener in sockets:
            listener.close()
        unix_path.unlink(missing_ok=True)


def until(condition: Callable[[], bool], patience_s: float = 60) -> None:
    """Wait until `condition` holds. Raises AssertionError where it does not in time."""
    deadline_s = time.monotonic() + patience_s
    while not condition():
        assert time.monotonic() < deadline_s, "waited in vain"
        time.sleep(0.005)


def _no_model(name: str) -> ModelSpec:
    raise model_not_found(name, [])


def _bound(family: socket.AddressFamily, address: tuple[str, int] | str) -> socket.socket:
    listener = socket.socket(family, socket.SOCK_STREAM)
    listener.bind(address)
    listener.listen(64)
    return listener
