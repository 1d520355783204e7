"""A real headless Chromium, driven over its DevTools protocol."""

from __future__ import annotations

import asyncio
import base64
import itertools
import shutil
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import aiohttp

NAMES = (
    "chromium",
    "chromium-browser",
    "google-chrome",
    "/Applications/Google Chrome.app/Contents/MacOS/Google Chrome",
)


def found() -> str | None:
    """Return the path of a Chromium, or None where there is none."""
    return next((path for name in NAMES if (path := shutil.which(name))), None)


class RefusedError(Exception):
    """A command that the page cannot carry out, or not at the moment."""


class Page:
    """One page, and all that its web sockets received."""

    def __init__(self, connection: aiohttp.ClientWebSocketResponse) -> None:
        self.received = b""
        self._connection = connection
        self._numbers = itertools.count(1)
        self._answers: dict[int, dict[str, Any]] = {}

    async def call(self, method: str, **parameters: object) -> dict[str, Any]:
        """Return the result of one command. Raises RefusedError."""
        number = next(self._numbers)
        await self._connection.send_json({"id": number, "method": method, "params": parameters})
        while number not in self._answers:
            await self._take()
        answer = self._answers.pop(number)
        if "error" in answer:
            raise RefusedError(answer["error"])
        result: dict[str, Any] = answer["result"]
        return result

    async def evaluate(self, script: str) -> object:
        """Return the value of an expression on the page, a promise's once it is there."""
        result = await self.call("Runtime.evaluate", expression=script, returnByValue=True, awaitPromise=True)
        return result["result"].get("value")

    async def receive(self, *words: str) -> None:
        """Wait until the page's web sockets have received all of `words`."""
        async with asyncio.timeout(60):
            while not all(word.encode() in self.received for word in words):
                await self._take()

    async def until(self, script: str) -> None:
        """Wait until an expression is true on the page; one that gives way to another has none meanwhile."""
        async with asyncio.timeout(60):
            while not await self._holds(script):
                await asyncio.sleep(0.05)

    async def press(self, key: str) -> None:
        """Type one character."""
        for kind in ("keyDown", "keyUp"):
            text = {"text": key} if kind == "keyDown" else {}
            await self.call("Input.dispatchKeyEvent", type=kind, key=key, **text)

    async def screenshot(self) -> bytes:
        """Return the page as a PNG."""
        return base64.b64decode((await self.call("Page.captureScreenshot"))["data"])

    async def _holds(self, script: str) -> bool:
        try:
            return bool(await self.evaluate(script))
        except RefusedError:
            return False

    async def _take(self) -> None:
        message = await self._connection.receive_json()
        if "id" in message:
            self._answers[message["id"]] = message
        elif message["method"] == "Network.webSocketFrameReceived":
            frame = message["params"]["response"]
            data = frame["payloadData"]
            self.received += base64.b64decode(data) if frame["opcode"] == 2 else data.encode()


@asynccontextmanager
async def page(program: str, folder: Path, *options: str) -> AsyncGenerator[Page]:
    """Yield an empty page of a Chromium with a profile of its own, started with more `options`."""
    process = await asyncio.create_subprocess_exec(
        program, "--headless", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", "--no-first-run",
        "--disable-background-networking", "--remote-debugging-port=0", f"--user-data-dir={folder}", *options,
        "about:blank",
        stdout=asyncio.subprocess.DEVNULL, stderr=asyncio.subprocess.DEVNULL,
    )  # fmt: skip
    try:
        port = await _port(folder / "DevToolsActivePort")
        async with aiohttp.ClientSession() as session:
            address = await _address(session, port)
            async with session.ws_connect(address, max_msg_size=0) as connection:
                opened = Page(connection)
                await opened.call("Network.enable")
                yield opened
    finally:
        process.kill()
        await process.wait()


async def _address(session: aiohttp.ClientSession, port: int) -> str:
    """Return where to reach the empty page, once it is there."""
    async with asyncio.timeout(60):
        while True:
            async with session.get(f"http://127.0.0.1:{port}/json/list") as reply:
                for one in await reply.json():
                    if one["type"] == "page":
                        return str(one["webSocketDebuggerUrl"])
            await asyncio.sleep(0.05)


async def _port(path: Path) -> int:
    async with asyncio.timeout(60):
        while not (path.is_file() and path.read_text().count("\n")):
            await asyncio.sleep(0.05)
    return int(path.read_text().splitlines()[0])
