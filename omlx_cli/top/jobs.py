"""Calls that wait, off the screen's thread: quitting never waits for one."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from contextlib import suppress
from threading import Thread
from typing import TypeVar

from omlx_cli.contract.errors import OmlxError

T = TypeVar("T")


def run(call: Callable[[], T], done: Callable[[T], object], failed: Callable[[OmlxError], object]) -> None:
    """Run `call` in a thread; then `done` with its answer, or `failed` with its error, in this event loop."""
    loop = asyncio.get_running_loop()

    def work() -> None:
        try:
            answer = call()
        except OmlxError as error:
            _say(loop, failed, error)
        else:
            _say(loop, done, answer)

    Thread(target=work, daemon=True, name="omlx-top-call").start()


def _say(loop: asyncio.AbstractEventLoop, to: Callable[[T], object], what: T) -> None:
    with suppress(RuntimeError):  # the dashboard was closed meanwhile
        loop.call_soon_threadsafe(to, what)
