"""A small daemon that speaks the contract over the home's unix socket, and answers what a test tells it to."""

from __future__ import annotations

import socketserver
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler
from pathlib import Path

import msgspec

from omlx_cli import __version__
from omlx_cli.contract import routes
from omlx_cli.contract.api import DaemonInfo, DaemonState, Done, Health, PsReply, Status
from omlx_cli.contract.errors import Code, ErrorBody, ErrorReply
from tests.waiting import wait_until

PS_TABLE = "NAME     SIZE    STATE\nsmollm2  271 MB  idle\n"
BREAK = b"<hang up>"
"""A chunk that ends the connection in the middle of the reply."""


@dataclass(frozen=True)
class Canned:
    """One reply; a list of chunks is streamed, each after `gate` let it pass."""

    body: bytes | list[bytes]
    status: int = 200
    content_type: str = "application/json"
    gate: Callable[[int], object] = lambda _: None


@dataclass(frozen=True)
class Seen:
    """One request as it came."""

    method: str
    path: str
    headers: dict[str, str]
    body: object


def reply(value: object, status: int = 200) -> Canned:
    """Return a JSON reply."""
    return Canned(msgspec.json.encode(value), status)


def refusal(code: Code, message: str, hint: str = "", status: int = 400) -> Canned:
    """Return an error in the contract's shape."""
    return reply(ErrorReply(ErrorBody(code=code, message=message, hint=hint)), status)


def events(*values: object, end: bool = True) -> Canned:
    """Return a stream of server-sent events."""
    chunks = [b"data: " + msgspec.json.encode(value) + b"\n\n" for value in values]
    return Canned([*chunks, b"data: [DONE]\n\n" if end else b": nothing more\n\n"], content_type="text/event-stream")


def records(*values: object) -> Canned:
    """Return a stream of JSON lines."""
    return Canned([msgspec.json.encode(value) + b"\n" for value in values], content_type=routes.STREAM_TYPE)


@dataclass
class StandIn:
    """What the daemon answers, by method and path, and what it was asked."""

    socket: Path
    pid: int = 4242
    start_id: str = "one"
    version: str = __version__
    state: DaemonState = DaemonState.READY
    answers: dict[tuple[str, str], list[Canned]] = field(default_factory=dict)
    seen: list[Seen] = field(default_factory=list)
    on_shutdown: Callable[[], None] = lambda: None

    def says(self, method: str, path: str, *answers: Canned) -> None:
        """Answer so from now on; the last answer is repeated."""
        self.answers[method, path] = list(answers)

    def wait_for(self, path: str) -> None:
        """Return when somebody has asked for `path`."""
        wait_until(lambda: any(seen.path == path for seen in self.seen))

    def asked(self, path: str) -> list[object]:
        """Return the bodies of the requests for `path`."""
        return [seen.body for seen in self.seen if seen.path == path]

    def answer(self, seen: Seen) -> Canned:
        """Return the reply to one request."""
        self.seen.append(seen)
        planned = self.answers.get((seen.method, seen.path))
        if planned:
            return planned.pop(0) if len(planned) > 1 else planned[0]
        return self._usual(seen)

    def _usual(self, seen: Seen) -> Canned:
        match seen.path:
            case routes.HEALTH:
                return reply(self.health())
            case routes.STATUS:
                return reply(self.status())
            case routes.PS if seen.headers.get("Accept") == "text/plain":
                return Canned(PS_TABLE.encode(), content_type="text/plain; charset=utf-8")
            case routes.PS:
                return reply(PsReply())
            case routes.SHUTDOWN:
                self.on_shutdown()
                return reply(Done(message="stopping"), 202)
        return refusal(Code.NOT_FOUND, f"there is no {seen.path}", status=404)

    def health(self) -> Health:
        """Return what `GET /health` answers."""
        return Health(version=self.version, state=self.state, prefix="/opt/omlx", pid=self.pid, start_id=self.start_id)

    def status(self) -> Status:
        """Return what the status route answers."""
        info = DaemonInfo(
            version=self.version,
            pid=self.pid,
            start_id=self.start_id,
            prefix="/opt/omlx",
            home="/home/one/.omlx",
            socket=str(self.socket),
            address="127.0.0.1:8000",
            uptime_s=3725.0,
        )
        return Status(daemon=info, requests_total=3, memory_limit_bytes=8_000_000_000, memory_used_bytes=271_000_000)


class _Server(socketserver.ThreadingMixIn, socketserver.UnixStreamServer):
    daemon_threads = True
    request_queue_size = 64

    def __init__(self, stand_in: StandIn) -> None:
        self.stand_in = stand_in
        super().__init__(str(stand_in.socket), _Handler)

    def handle_error(self, request: object, client_address: object) -> None:
        """A client that hangs up is no error."""


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: _Server

    def do_GET(self) -> None:
        self._answer(b"")

    def do_POST(self) -> None:
        self._answer(self.rfile.read(int(self.headers["Content-Length"])))

    def do_DELETE(self) -> None:
        self._answer(b"")

    def _answer(self, body: bytes) -> None:
        decoded = msgspec.json.decode(body) if body else None
        canned = self.server.stand_in.answer(Seen(self.command, self.path, dict(self.headers), decoded))
        self.close_connection = True
        if isinstance(canned.body, bytes):
            canned.gate(0)
        self.send_response(canned.status)
        self.send_header("Content-Type", canned.content_type)
        if isinstance(canned.body, bytes):
            self.send_header("Content-Length", str(len(canned.body)))
            self.end_headers()
            self.wfile.write(canned.body)
            return
        self.send_header("Transfer-Encoding", "chunked")
        self.end_headers()
        self._stream(canned.body, canned.gate)

    def _stream(self, chunks: list[bytes], gate: Callable[[int], object]) -> None:
        for index, chunk in enumerate(chunks):
            if chunk == BREAK:
                return
            gate(index)
            self.wfile.write(b"%x\r\n%s\r\n" % (len(chunk), chunk))
            self.wfile.flush()
        self.wfile.write(b"0\r\n\r\n")

    def address_string(self) -> str:
        return "unix"

    def log_message(self, format: str, *args: object) -> None:
        """Say nothing."""


@contextmanager
def serving(stand_in: StandIn) -> Iterator[StandIn]:
    """Answer on the socket while the context lasts."""
    stand_in.socket.parent.mkdir(parents=True, exist_ok=True)
    stand_in.socket.unlink(missing_ok=True)
    with _Server(stand_in) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True)
        thread.start()
        try:
            yield stand_in
        finally:
            server.shutdown()
            thread.join()
            stand_in.socket.unlink(missing_ok=True)
