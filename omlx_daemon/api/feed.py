"""Several async streams as one, in batches of whatever is ready, until the client leaves."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Sequence
from contextlib import AsyncExitStack, aclosing
from types import TracebackType
from typing import Generic, TypeVar

from litestar.types import Receive

T = TypeVar("T")


class ClientGone(Exception):
    """The client closed its connection before the answer was complete."""


class Feed(Generic[T]):
    """Reads each stream in a task of its own; an async context manager whose end closes every stream.

    One stream's failure ends the feed: `batch` hands out what came before it, then raises it.
    """

    def __init__(self, streams: Sequence[AsyncIterator[T]], receive: Receive) -> None:
        self._streams = streams
        self._receive = receive
        self._ready: list[tuple[int, T]] = []
        self._open = len(streams)
        self._failure: Exception | None = None
        self._wake = asyncio.Event()
        self._tasks: list[asyncio.Task[None]] = []

    async def __aenter__(self) -> Feed[T]:
        self._tasks = [asyncio.create_task(self._read(index, stream)) for index, stream in enumerate(self._streams)]
        self._tasks.append(asyncio.create_task(self._watch_client()))
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    async def batch(self, timeout_s: float | None = None) -> list[tuple[int, T]]:
        """Return (stream's index, item) for every item that is ready, in order; wait for the first.

        Empty after `timeout_s` without one, and for ever once every stream has ended: see `ended`.
        Raises ClientGone, and what a stream raised.
        """
        if not (self._ready or self._failure or not self._open):
            await self._wait(timeout_s)
        if isinstance(self._failure, ClientGone):
            raise self._failure
        ready, self._ready = self._ready, []
        if not ready and self._failure:
            raise self._failure
        return ready

    @property
    def ended(self) -> bool:
        """Whether every stream has ended well and every item was handed out."""
        return not (self._open or self._ready or self._failure)

    async def _wait(self, timeout_s: float | None) -> None:
        self._wake.clear()
        try:
            async with asyncio.timeout(timeout_s):
                await self._wake.wait()
        except TimeoutError:
            return

    async def _read(self, index: int, stream: AsyncIterator[T]) -> None:
        try:
            async with AsyncExitStack() as stack:
                if isinstance(stream, AsyncGenerator):
                    await stack.enter_async_context(aclosing(stream))
                async for item in stream:
                    self._ready.append((index, item))
                    self._wake.set()
        except Exception as error:  # noqa: BLE001 - handed to whoever reads the feed
            self._failure = self._failure or error
        finally:
            self._open -= 1
            self._wake.set()

    async def _watch_client(self) -> None:
        while (await self._receive())["type"] != "http.disconnect":
            pass
        self._failure = ClientGone()
        self._wake.set()
