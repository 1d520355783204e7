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
        async with Feed([counting(1000, closed), counting(500, closed)], Client().receive) as feed:
            batch = await feed.batch()
            assert [number for index, number in batch if index == 0] == list(range(1000))
            assert [number for index, number in batch if index == 1] == list(range(500))
            assert feed.ended

    asyncio.run(run())


def test_one_stream_is_read_in_order_to_its_end() -> None:
    async def run() -> None:
        closed: list[int] = []
        async with Feed([counting(5, closed)], Client().receive) as feed:
            items = []
            while not feed.ended:
                items += await feed.batch()
        assert items == [(0, number) for number in range(5)]
        assert closed == [5]

    asyncio.run(run())


def test_what_did_not_come_in_time_comes_later() -> None:
    async def run() -> None:
        sign = asyncio.Event()

        async def late() -> AsyncIterator[int]:
            await sign.wait()
            yield 1
            yield 2

        async with Feed([late()], Client().receive) as feed:
            assert await feed.batch(0.001) == []
            assert await feed.batch(0.001) == []
            sign.set()
            assert await feed.batch() == [(0, 1)]
            assert await feed.batch() == [(0, 2)]
            assert await feed.batch() == []
            assert feed.ended

    asyncio.run(run())


@pytest.mark.parametrize("count", [1, 2])
def test_the_client_leaves_while_something_else_is_waited_for(count: int) -> None:
    async def run() -> list[int]:
        closed: list[int] = []
        client = Client()
        with pytest.raises(ClientGone):
            async with Feed([counting(3, closed) for _ in range(count)], client.receive) as feed:
                await feed.batch()
                client.left.set()
                await asyncio.Event().wait()
        task = asyncio.current_task()
        assert task is not None
        assert not task.cancelling()
        return closed

    assert asyncio.run(run()) == [3] * count


@pytest.mark.parametrize("count", [1, 2])
def test_a_cancel_from_elsewhere_stays_a_cancel(count: int) -> None:
    closed: list[int] = []

    async def read(entered: asyncio.Event) -> None:
        async with Feed([counting(3, closed) for _ in range(count)], Client().receive) as feed:
            while True:
                await feed.batch()
                entered.set()

    async def run() -> None:
        entered = asyncio.Event()
        task = asyncio.create_task(read(entered))
        await entered.wait()
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task

    asyncio.run(run())
    assert closed == [3] * count


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


@pytest.mark.parametrize("count", [1, 2])
def test_the_client_leaves(count: int) -> None:
    async def run() -> list[int]:
        closed: list[int] = []
        client = Client()
        async with Feed([counting(3, closed) for _ in range(count)], client.receive) as feed:
            await feed.batch()
            client.left.set()
            with pytest.raises(ClientGone):
                while True:
                    await feed.batch()
        return closed

    assert asyncio.run(run()) == [3] * count


def test_a_failure_comes_after_what_came_before_it() -> None:
    async def run() -> None:
        async with Feed([failing()], Client().receive) as feed:
            assert await feed.batch() == [(0, 1)]
            assert not feed.ended
            for _ in range(2):
                with pytest.raises(ValueError, match="broken"):
                    await feed.batch()

    asyncio.run(run())
