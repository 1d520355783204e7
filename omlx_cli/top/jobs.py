"""Calls that wait, off the screen's thread: quitting never waits for one."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from contextlib import suppress
from contextvars import copy_context
from threading import Thread
from typing import Any, TypeVar

from omlx_cli.contract.errors import Code, OmlxError

T = TypeVar("T")


def run(call: Callable[[], T], done: Callable[[T], object], failed: Callable[[OmlxError], object]) -> None:
    """Run `call` in a thread; then `done` with its answer, or `failed` with its error, in this event loop."""
    loop, context = asyncio.get_running_loop(), copy_context()

    def say(to: Callable[[Any], object], what: object) -> None:
        with suppress(RuntimeError):  # the dashboard was closed meanwhile
            loop.call_soon_threadsafe(to, what, context=context)

    def work() -> None:
        try:
            answer = call()
        except OmlxError as error:
            say(failed, error)
        except Exception as error:  # noqa: BLE001 - a bug is told like any error, and ends nothing
            say(failed, OmlxError(Code.INTERNAL, f"{type(error).__name__}: {error}"))
        else:
            say(done, answer)

    Thread(target=work, daemon=True, name="omlx-top-call").start()
