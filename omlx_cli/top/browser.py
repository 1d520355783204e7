"""`omlx top --serve`: the dashboard in a browser on this machine, behind a token.

Each page has a dashboard of its own, in a process of its own that ends with the page. The page's token is exchanged
for a cookie at once, so that it stays in no address; every other request needs the cookie, and names this host.
"""

from __future__ import annotations

import asyncio
import hmac
import secrets
import shlex
import signal
import socket
import sys
from collections.abc import Awaitable, Callable
from pathlib import Path
from string import Template

from aiohttp import web
from textual_serve.server import Server

from omlx_cli.contract.errors import Code, OmlxError

HOST = "127.0.0.1"
_COMMAND = shlex.join((sys.executable, "-I", "-m", "omlx_cli.top"))
_PAGE = Path(__file__).with_name("page.html")
_SCRIPT = Path(__file__).with_name("page.js")
_SAFE_HEADERS = {
    "Content-Security-Policy": (
        "default-src 'self'; style-src 'self' 'unsafe-inline'; script-src 'self'; img-src 'self' data:; "
        "font-src 'self' data:; connect-src 'self' ws:; frame-ancestors 'none'"
    ),
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
}

_Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


class Browser:
    """Serves the dashboard on one port to whoever has the token."""

    def __init__(self, port: int, token: str) -> None:
        self._port = port
        self._token = token
        self._cookie = f"omlx_top_{port}"
        self._hosts = {f"{HOST}:{port}", f"localhost:{port}"}
        self._server = Server(_COMMAND, host=HOST, port=port, title="omlx top")

    @property
    def url(self) -> str:
        """The address to open, with the token."""
        return f"http://{HOST}:{self._port}/?token={self._token}"

    def app(self) -> web.Application:
        """Return the web application."""

        @web.middleware
        async def guard(request: web.Request, handler: _Handler) -> web.StreamResponse:
            return await self._guard(request, handler)

        made = web.Application(middlewares=[guard])
        made.router.add_get("/", self._index)
        made.router.add_get("/page.js", self._script)
        made.router.add_get("/ws", self._server.handle_websocket)
        made.router.add_static("/static", self._server.statics_path)
        return made

    async def _guard(self, request: web.Request, handler: _Handler) -> web.StreamResponse:
        """Let through who names this host, comes from it, and has the token or the cookie."""
        origin = request.headers.get("Origin", "")
        if request.host not in self._hosts or (origin and origin.removeprefix("http://") not in self._hosts):
            raise web.HTTPForbidden(text="this page is for this machine alone\n")
        if request.path == "/" and self._is_token(request.query.get("token", "")):
            response = web.HTTPSeeOther("/")
            response.set_cookie(self._cookie, self._token, httponly=True, samesite="Strict")
            return response
        if not self._is_token(request.cookies.get(self._cookie, "")):
            raise web.HTTPForbidden(text="open the address that omlx top --serve has printed\n")
        return await handler(request)

    def _is_token(self, given: str) -> bool:
        return hmac.compare_digest(given.encode(), self._token.encode())

    async def _index(self, request: web.Request) -> web.Response:
        page = Template(_PAGE.read_text()).substitute(websocket=f"ws://{request.host}/ws")
        return web.Response(text=page, content_type="text/html", headers=_SAFE_HEADERS)

    async def _script(self, request: web.Request) -> web.FileResponse:
        return web.FileResponse(_SCRIPT, headers=_SAFE_HEADERS)


def run(port: int, announce: Callable[[str], None]) -> None:
    """Serve until it is interrupted; `announce` is told the address. Raises OmlxError(PORT_IN_USE)."""
    asyncio.run(_serve(port, announce))


async def _serve(port: int, announce: Callable[[str], None]) -> None:
    bound = _bound(port)
    browser = Browser(bound.getsockname()[1], secrets.token_urlsafe(24))
    runner = web.AppRunner(browser.app(), access_log=None, shutdown_timeout=2.0)
    await runner.setup()
    try:
        await web.SockSite(runner, bound).start()
        announce(browser.url)
        await _interrupted()
    finally:
        await runner.cleanup()


def _bound(port: int) -> socket.socket:
    bound = socket.socket()
    try:
        bound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        bound.bind((HOST, port))
    except OSError as error:
        bound.close()
        raise OmlxError(
            Code.PORT_IN_USE,
            f"port {port} is not to be had: {error.strerror}",
            "omlx top --serve --port 0  takes a free one",
        ) from error
    return bound


async def _interrupted() -> None:
    stopped = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        loop.add_signal_handler(number, stopped.set)
    await stopped.wait()
