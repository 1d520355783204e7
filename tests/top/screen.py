"""The screen of a running app as text, and what was kept of it."""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from pathlib import Path

from textual.pilot import Pilot

from omlx_cli.top.dashboard import TopApp
from tests.top.scripted import Recorder, Script

KEPT = Path(__file__).with_name("screens")


@asynccontextmanager
async def shown(
    script: Script, size: tuple[int, int] = (120, 40), control: Recorder | None = None
) -> AsyncGenerator[Pilot[int]]:
    """Run the app without a terminal, with a clock that stands still, once it has shown what the script says."""
    app = TopApp(script, control or Recorder(), clock=lambda: 100.0)
    async with app.run_test(size=size) as pilot:
        await script.queue.join()
        await settled(pilot)
        yield pilot


async def settled(pilot: Pilot[int]) -> None:
    """Wait until what was asked for is on the screen."""
    for _ in range(3):
        app = pilot.app
        assert isinstance(app, TopApp)
        app.paint()
        await pilot.pause()


async def see(pilot: Pilot[int], *words: str) -> str:
    """Wait until all of `words` are on the screen, and return its text."""
    async with asyncio.timeout(60):
        while not all(word in text(pilot) for word in words):
            await settled(pilot)
    return text(pilot)


def text(pilot: Pilot[int]) -> str:
    """Return the screen's text, a line each."""
    strips = pilot.app.screen._compositor.render_strips()
    return "\n".join(strip.text.rstrip() for strip in strips) + "\n"


def compare(pilot: Pilot[int], name: str) -> None:
    """Assert that the screen is the kept one; with OMLX_TEST_KEEP_SCREENS set, keep it."""
    path = KEPT / f"{name}.txt"
    found = text(pilot)
    if os.environ.get("OMLX_TEST_KEEP_SCREENS"):
        path.parent.mkdir(exist_ok=True)
        path.write_text(found)
    assert found == path.read_text(), f"{path.name} differs"
