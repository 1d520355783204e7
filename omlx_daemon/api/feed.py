"""Async streams read by one task, in batches of whatever is ready, until the client leaves."""

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
    """What `streams` yield; an async context manager whose end closes every stream.

    The client's leaving interrupts the task that entered it, wherever that waits, and raises ClientGone there or at
    the end of the context. One stream's failure ends the feed: `batch` hands out what came before it, then raises it.
    """

    def __init__(self, streams: Sequence[AsyncIterator[T]], receive: Receive) -> None:
        self._streams = streams
        self._receive = receive
        self._left = False

    async def __aenter__(self) -> Feed[T]:
        self._source = _One(self._streams[0]) if len(self._streams) == 1 else _Many(self._streams)
        self._reader = asyncio.current_task()
        self._watch = asyncio.create_task(self._watch_client())
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._watch.cancel()
        await self._source.close()
        if isinstance(error, asyncio.CancelledError) and self._is_gone():
            raise ClientGone from None

    async def batch(self, timeout_s: float | None = None) -> list[tuple[int, T]]:
        """Return (stream's index, item) for what is ready, in order; wait for the first.

        Empty after `timeout_s` without one, and for ever once every stream has ended: see `ended`.
        Raises ClientGone, and what a stream raised.
        """
        try:
            return await self._source.batch(timeout_s)
        except asyncio.CancelledError:
            if self._is_gone():
                raise ClientGone from None
            raise

    @property
    def ended(self) -> bool:
        """Whether it is known that every stream has ended well, and every item was handed out."""
        return self._source.ended

    async def _watch_client(self) -> None:
        while (await self._receive())["type"] != "http.disconnect":
            pass
        self._left = True
        if self._reader is not None:
            self._reader.cancel()

    def _is_gone(self) -> bool:
        """Whether the client's leaving alone, and no one else, cancels the reader."""
        left, self._left = self._left, False
        return left and self._reader is not None and self._reader.uncancel() == 0


class _One(Generic[T]):
    """One stream, read by the feed's own reader: no switch of tasks stands between an item and what is made of it."""

    def __init__(self, stream: AsyncIterator[T]) -> None:
        self.ended = False
        self._stream = stream
        self._failure: Exception | None = None
        self._early: asyncio.Task[T] | None = None
        """The next item, where it did not come in time."""

    async def batch(self, timeout_s: float | None) -> list[tuple[int, T]]:
        if self._failure is not None:
            raise self._failure
        try:
            if timeout_s is None and self._early is None:
                return [(0, await anext(self._stream))]
            return await self._within(timeout_s)
        except StopAsyncIteration:
            self.ended = True
            return []
        except Exception as error:
            self._failure = error
            raise

    async def close(self) -> None:
        if self._early is not None:
            self._early.cancel()
            await asyncio.gather(self._early, return_exceptions=True)
        if isinstance(self._stream, AsyncGenerator):
            await self._stream.aclose()

    async def _within(self, timeout_s: float | None) -> list[tuple[int, T]]:
        self._early = self._early or asyncio.create_task(_next(self._stream))
        await asyncio.wait([self._early], timeout=timeout_s)
        if not self._early.done():
            return []
        early, self._early = self._early, None
        return [(0, early.result())]


class _Many(Generic[T]):
    """Several streams, each read by a task of its own."""

    def __init__(self, streams: Sequence[AsyncIterator[T]]) -> None:
        self._ready: list[tuple[int, T]] = []
        self._open = len(streams)
        self._failure: Exception | None = None
        self._wake = asyncio.Event()
        self._tasks = [asyncio.create_task(self._read(index, stream)) for index, stream in enumerate(streams)]

    @property
    def ended(self) -> bool:
        return not (self._open or self._ready or self._failure)

    async def batch(self, timeout_s: float | None) -> list[tuple[int, T]]:
        if not (self._ready or self._failure or not self._open):
            await self._wait(timeout_s)
        ready, self._ready = self._ready, []
        if not ready and self._failure:
            raise self._failure
        return ready

    async def close(self) -> None:
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

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


async def _next(stream: AsyncIterator[T]) -> T:
    return await anext(stream)
