"""What the keys set in motion: asked about where asking is due, and told of in the last line."""

from __future__ import annotations

import msgspec
import pytest
from textual.pilot import Pilot

from omlx_cli.contract.errors import Code, OmlxError
from omlx_cli.top.dashboard import TopApp
from tests.top import screen
from tests.top.driving import asked, drive, press
from tests.top.scripted import SNAPSHOT, Recorder, Script


def test_pinning_and_unloading_what_the_cursor_is_on() -> None:
    async def look(pilot: Pilot[int], script: Script, recorder: Recorder) -> None:
        await press(pilot, "1", "p")
        assert await asked(pilot, recorder) == [("pin", "qwen3-coder-30b-4bit", False)]
        await screen.see(pilot, "done: pin")
        await press(pilot, "down", "p")
        assert (await asked(pilot, recorder, 2))[1:] == [("pin", "gemma3-4b", True)]
        await press(pilot, "u")
        assert (await asked(pilot, recorder, 3))[2:] == [("unload", "gemma3-4b", False)]

    drive(look)


def test_a_refused_unload_is_asked_about_and_forced() -> None:
    async def look(pilot: Pilot[int], script: Script, recorder: Recorder) -> None:
        await press(pilot, "u")
        await asked(pilot, recorder)
        await screen.see(pilot, "it is pinned", "all the same?")
        await press(pilot, "y")
        assert (await asked(pilot, recorder, 2))[-1] == ("unload", "qwen3-coder-30b-4bit", True)

    drive(look, control=Recorder(OmlxError(Code.PINNED, "it is pinned", "omlx unpin  lets go of it")))


def test_a_refused_unload_that_is_let_be_is_over() -> None:
    async def look(pilot: Pilot[int], script: Script, recorder: Recorder) -> None:
        await press(pilot, "u")
        await asked(pilot, recorder)
        await screen.see(pilot, "5 of its requests would end with an error")
        await press(pilot, "n")
        shown = await screen.see(pilot, "? help")
        assert "unloading" not in shown
        assert len(recorder.asked) == 1

    drive(look, control=Recorder(OmlxError(Code.PINNED, "it is pinned", "omlx unpin  lets go of it")))


def test_an_error_is_one_line() -> None:
    async def look(pilot: Pilot[int], script: Script, recorder: Recorder) -> None:
        await press(pilot, "p")
        shown = await screen.see(pilot, "error: ")
        assert shown.splitlines()[-1] == " error: no such model (omlx ls  lists them)"

    drive(look, control=Recorder(OmlxError(Code.MODEL_NOT_FOUND, "no such model", "omlx ls  lists them")))


def test_a_long_error_is_told_whole() -> None:
    why = "llama-405b does not fit: weights 229 GB + process 256 MB, limit 25.0 GB, used 21.0 GB, kept free 3.5 GB"

    async def look(pilot: Pilot[int], script: Script, recorder: Recorder) -> None:
        await press(pilot, "p")
        last = (await screen.see(pilot, "error: ")).splitlines()[-2:]
        assert " ".join(" ".join(last).split()) == f"error: {why} (omlx ps  lists what is in memory)".replace("  ", " ")

    drive(look, size=(80, 24), control=Recorder(OmlxError(Code.MEMORY_BUSY, why, "omlx ps  lists what is in memory")))


def test_a_bug_is_told_like_any_error() -> None:
    class Broken(Recorder):
        def pin(self, model: str, keep: bool) -> str:
            self.asked.append(("pin",))
            raise ValueError("no such thing")

    async def look(pilot: Pilot[int], script: Script, recorder: Recorder) -> None:
        await press(pilot, "p")
        shown = await screen.see(pilot, "error: ")
        assert shown.splitlines()[-1] == " error: ValueError: no such thing"

    drive(look, control=Broken())


def test_what_goes_on_is_told_until_it_is_over(monkeypatch: pytest.MonkeyPatch) -> None:
    async def look(pilot: Pilot[int], script: Script, recorder: Recorder) -> None:
        app = pilot.app
        assert isinstance(app, TopApp)
        now_s = 100.0
        monkeypatch.setattr(app, "_clock", lambda: now_s)
        app.tell("starting the daemon…")
        now_s += 600
        await screen.settled(pilot)
        assert "starting the daemon…" in screen.text(pilot)
        app.tell("omlx 1.2.3 is running")
        now_s += 60
        await screen.settled(pilot)
        assert screen.text(pilot).splitlines()[-1].startswith(" ? help")

    drive(look)


def test_cancelling_asks_first() -> None:
    async def look(pilot: Pilot[int], script: Script, recorder: Recorder) -> None:
        await press(pilot, "c")
        await screen.see(pilot, "Cancel req_3f1c5a0e7d0c?")
        await press(pilot, "n")
        assert recorder.asked == []
        await press(pilot, "c")
        await screen.see(pilot, "Cancel req_3f1c5a0e7d0c?")
        await press(pilot, "y")
        assert await asked(pilot, recorder) == [("cancel", "req_3f1c5a0e7d0c")]

    drive(look)


@pytest.mark.parametrize(
    ("key", "told"), [("u", "no model is in memory"), ("p", "no model is in memory"), ("c", "no request is there")]
)
def test_a_key_with_nothing_at_the_cursor_says_so(key: str, told: str) -> None:
    async def look(pilot: Pilot[int], script: Script, recorder: Recorder) -> None:
        await press(pilot, key)
        assert told in (await screen.see(pilot, told)).splitlines()[-1]
        assert recorder.asked == []

    drive(look, msgspec.structs.replace(SNAPSHOT, models=(), requests=()), control=Recorder())


def test_pruning_previews_asks_and_only_then_removes() -> None:
    async def look(pilot: Pilot[int], script: Script, recorder: Recorder) -> None:
        await press(pilot, "x")
        await screen.see(pilot, "nothing is removed yet")
        await press(pilot, "backspace", "backspace", "9", "enter")
        await screen.see(pilot, "not a duration")
        await press(pilot, "d", "enter")
        assert await asked(pilot, recorder) == [("prune", "9d", True)]
        await screen.see(pilot, "Remove 12 files, 34.0 MB?", "gemma3-4b: 12 files, 34.0 MB")
        await press(pilot, "y")
        assert (await asked(pilot, recorder, 2))[-1] == ("prune", "9d", False)
        await screen.see(pilot, "removed 12 files, 34.0 MB")

    drive(look)


def test_loading_lists_what_is_on_disk_and_not_in_memory() -> None:
    async def look(pilot: Pilot[int], script: Script, recorder: Recorder) -> None:
        await press(pilot, "l")
        await asked(pilot, recorder)
        await screen.see(pilot, "phi-4")
        await pilot.press("down", "enter")
        assert (await asked(pilot, recorder, 2))[-1] == ("load", "phi-4")

    drive(look)
