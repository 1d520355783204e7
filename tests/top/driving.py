"""Drives the app with keys and a mouse, against made-up daemons."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine

from textual.pilot import Pilot

from omlx_cli.contract.live import Snapshot
from omlx_cli.top.feed import Down
from tests.top import screen
from tests.top.scripted import SNAPSHOT, Recorder, Script

Step = Callable[[Pilot[int], Script, Recorder], Coroutine[object, object, None]]


def drive(
    step: Step, *events: Snapshot | Down, size: tuple[int, int] = (120, 40), control: Recorder | None = None
) -> None:
    """Run the app on these events, and take the step."""

    async def run() -> None:
        script, recorder = Script(*(events or (SNAPSHOT,))), control or Recorder()
        async with screen.shown(script, size, recorder) as pilot:
            await step(pilot, script, recorder)

    asyncio.run(run())


async def press(pilot: Pilot[int], *keys: str) -> str:
    """Press keys, and return what the screen shows then."""
    await pilot.press(*keys)
    await screen.settled(pilot)
    return screen.text(pilot)


async def asked(pilot: Pilot[int], recorder: Recorder, count: int = 1) -> list[tuple[object, ...]]:
    """Wait until the control was asked so often; its last answer may not have been told yet."""
    async with asyncio.timeout(60):
        while len(recorder.asked) < count:
            await asyncio.sleep(0.005)
    await screen.settled(pilot)
    return recorder.asked


def line_with(shown: str, words: str) -> str:
    """Return the first line that holds `words`."""
    return next(line for line in shown.splitlines() if words in line)
