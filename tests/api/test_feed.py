"""Several streams read as one."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

import pytest
from litestar.types import HTTPReceiveMessage

from omlx_daemon.api.feed import ClientGone, Feed


class Client:
    """The receiving end of a connection."""

    def __init__(self) -> None:
        self.left = asyncio.Event()

    async def receive(self) -> HTTPReceiveMessage:
        """Wait until the client leaves."""
        await self.left.wait()
        return {"type": "http.disconnect"}


async def counting(count: int, closed: list[int]) -> AsyncIterator[int]:
    try:
        for number in range(count):
            yield number
        if count == 3:
            await asyncio.Event().wait()
    finally:
        closed.append(count)


async def failing() -> AsyncIterator[int]:
    yield 1
    raise ValueError("broken")


def test_what_is_ready_comes_as_one_batch() -> None:
    async def run() -> None:
        closed: list[int] = []
        async with Feed([counting(1000, closed)], Client().receive) as feed:
            assert await feed.batch() == [(0, number) for number in range(1000)]
            assert feed.ended

    asyncio.run(run())


def test_leaving_closes_every_stream() -> None:
    async def run() -> list[int]:
        closed: list[int] = []
        async with Feed([counting(3, closed), counting(2, closed)], Client().receive) as feed:
            batch = await feed.batch()
            assert sorted(batch) == [(0, 0), (0, 1), (0, 2), (1, 0), (1, 1)]
            assert await feed.batch(0.001) == []
            assert not feed.ended
        return closed

    assert sorted(asyncio.run(run())) == [2, 3]


def test_the_client_leaves() -> None:
    async def run() -> list[int]:
        closed: list[int] = []
        client = Client()
        async with Feed([counting(3, closed)], client.receive) as feed:
            await feed.batch()
            client.left.set()
            with pytest.raises(ClientGone):
                await feed.batch()
        return closed

    assert asyncio.run(run()) == [3]


def test_a_failure_comes_after_what_came_before_it() -> None:
    async def run() -> None:
        async with Feed([failing()], Client().receive) as feed:
            assert await feed.batch() == [(0, 1)]
            assert not feed.ended
            with pytest.raises(ValueError, match="broken"):
                await feed.batch()

    asyncio.run(run())
