"""Runs a test against a pool of scripted workers, and sees that none is left."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from pathlib import Path

from omlx_cli.contract.model_options import ModelOptions
from omlx_daemon.core.events import Queued, Text
from omlx_daemon.pool.settings import PoolSettings
from tests.pool.doubles import FINISHED, FakeChild, Fixture, Reader, until


def with_pool(
    home: Path,
    test: Callable[[Fixture], Awaitable[None]],
    *,
    limit: int = 1 << 30,
    growth: float = 1.0,
    settings: PoolSettings | None = None,
    options: dict[str, ModelOptions] | None = None,
    publish: Callable[[list[str]], None] = lambda names: None,
) -> None:
    async def main() -> None:
        fixture = Fixture(home, limit=limit, growth=growth, settings=settings, options=options, publish=publish)
        try:
            async with asyncio.timeout(30):
                await test(fixture)
        finally:
            await fixture.pool.close(0)
        assert not fixture.spawner.alive

    asyncio.run(main())


async def finished(fixture: Fixture, reader: Reader, child: FakeChild, request_id: str) -> None:
    await until(lambda: request_id in child.submitted())
    child.say(request_id, Queued(), Text(text="yes"), FINISHED)
    await reader.task
