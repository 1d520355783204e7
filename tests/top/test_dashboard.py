"""The app itself, driven by keys and mouse, against made-up daemons."""

from __future__ import annotations

import asyncio
from pathlib import Path

import msgspec
import pytest
from textual.pilot import Pilot

from omlx_cli.contract.api import RequestInfo
from omlx_cli.contract.live import Change, Happening, HappeningKind
from omlx_cli.top import keys
from omlx_cli.top.dashboard import TopApp
from omlx_cli.top.feed import Down
from omlx_cli.top.taste import Taste
from tests.top import screen
from tests.top.driving import asked, drive, line_with, press
from tests.top.scripted import REQUESTS, SNAPSHOT, Recorder, Script, at, crowd, daemon

SIZES = ((80, 24), (120, 40), (200, 60))


@pytest.mark.parametrize("size", SIZES)
def test_the_screen_as_it_was_kept(size: tuple[int, int]) -> None:
    async def look(pilot: Pilot[int], script: Script, recorder: Recorder) -> None:
        screen.compare(pilot, f"panels-{size[0]}x{size[1]}")

    drive(look, size=size)


@pytest.mark.parametrize("size", SIZES)
def test_a_crowd_of_requests_as_it_was_kept(size: tuple[int, int]) -> None:
    async def look(pilot: Pilot[int], script: Script, recorder: Recorder) -> None:
        screen.compare(pilot, f"crowd-{size[0]}x{size[1]}")

    drive(look, crowd(64, 40.0), size=size)


@pytest.mark.parametrize("size", SIZES)
def test_no_daemon_as_it_was_kept(size: tuple[int, int]) -> None:
    async def look(pilot: Pilot[int], script: Script, recorder: Recorder) -> None:
        assert "the daemon is not running: press s to start it" in screen.text(pilot)
        await press(pilot, "s")
        assert await asked(pilot, recorder) == [("start",)]

    drive(look, Down("the daemon is not running"), size=size)


@pytest.mark.parametrize(
    ("keys", "name"),
    [(("question_mark",), "help"), (("m",), "memory"), (("enter",), "request"), (("1", "enter"), "model")],
)
def test_pages_as_they_were_kept(keys: tuple[str, ...], name: str) -> None:
    async def look(pilot: Pilot[int], script: Script, recorder: Recorder) -> None:
        await press(pilot, *keys)
        await screen.see(pilot, "esc closes")
        screen.compare(pilot, f"page-{name}")
        await press(pilot, "escape")
        await screen.see(pilot, "? help")

    drive(look)


@pytest.mark.parametrize("size", [(20, 6), (40, 10), (180, 34), (400, 120)])
def test_any_size_shows_something_and_fails_nowhere(size: tuple[int, int]) -> None:
    async def look(pilot: Pilot[int], script: Script, recorder: Recorder) -> None:
        assert "omlx" in screen.text(pilot)
        await pilot.resize_terminal(100, 30)
        await screen.settled(pilot)
        assert "84% yellow" in screen.text(pilot)

    drive(look, size=size)


def test_changes_and_happenings_reach_the_screen() -> None:
    async def look(pilot: Pilot[int], script: Script, recorder: Recorder) -> None:
        row = RequestInfo(id="req_fresh", model="gemma3-4b", phase=REQUESTS[0].phase, tokens=77)
        script.queue.put_nowait(Change(number=8, at=at(1), requests=(row,), ended=(REQUESTS[2].id,), running=9))
        script.queue.put_nowait(Happening(number=7, at=at(1), kind=HappeningKind.STUCK, message="it makes no step"))
        await script.queue.join()
        await screen.settled(pilot)
        shown = screen.text(pilot)
        assert "fresh" in shown
        assert "00aa11bb22" not in shown
        assert "9 running" in shown
        assert "stuck       it makes no step" in shown

    drive(look)


def test_a_lost_daemon_stays_in_sight_as_it_was_and_comes_back() -> None:
    async def look(pilot: Pilot[int], script: Script, recorder: Recorder) -> None:
        script.queue.put_nowait(Down("the daemon went away"))
        await script.queue.join()
        await screen.settled(pilot)
        shown = screen.text(pilot)
        assert "the daemon went away: press s to start it; above is how it was" in shown
        assert "not connected" in shown
        assert "claude-c" in shown
        script.queue.put_nowait(msgspec.structs.replace(SNAPSHOT, daemon=daemon("two", 3.0), requests=(), models=()))
        await script.queue.join()
        await screen.settled(pilot)
        shown = screen.text(pilot)
        assert "press s to start" not in shown
        assert "up 3s" in shown
        assert "no request runs or waits" in shown

    drive(look)


def test_sorting_by_key_and_by_mouse() -> None:
    async def look(pilot: Pilot[int], script: Script, recorder: Recorder) -> None:
        shown = await press(pilot, "s", "s", "s")
        assert "CLIENT▲" in shown
        assert shown.index("claude-c") < shown.index("curl") < shown.index("opencode")
        await press(pilot, "r")
        await screen.see(pilot, "CLIENT▼")
        head = line_with(shown, "CLIENT")
        y = shown.splitlines().index(head)
        await pilot.click(offset=(head.index("AGE") + 1, y))
        await screen.settled(pilot)
        assert "AGE▲" in screen.text(pilot)

    drive(look)


def test_filtering_keeps_what_matches_and_escape_shows_all_again() -> None:
    async def look(pilot: Pilot[int], script: Script, recorder: Recorder) -> None:
        await press(pilot, "slash")
        await screen.see(pilot, "rows that hold all these words")
        await press(pilot, *"curl", "enter")
        shown = await screen.see(pilot, "filter: curl")
        assert "claude-c" not in shown
        await press(pilot, "escape")
        await screen.see(pilot, "claude-c")

    drive(look)


def test_leaving_the_filter_keeps_the_one_before() -> None:
    async def look(pilot: Pilot[int], script: Script, recorder: Recorder) -> None:
        await press(pilot, "slash")
        await screen.see(pilot, "rows that hold all these words")
        await press(pilot, *"none")
        await screen.see(pilot, "nothing matches")
        await press(pilot, "escape")
        await screen.see(pilot, "claude-c")

    drive(look)


def test_the_cursor_stays_on_its_row_while_rows_come_and_go() -> None:
    async def look(pilot: Pilot[int], script: Script, recorder: Recorder) -> None:
        await press(pilot, "down")
        await screen.see(pilot, "▸ 9a77b2c4")
        script.queue.put_nowait(Change(number=8, at=at(1), ended=(REQUESTS[0].id,)))
        await script.queue.join()
        await screen.settled(pilot)
        assert "▸ 9a77b2c4" in screen.text(pilot)

    drive(look)


def test_a_long_table_scrolls_with_the_cursor() -> None:
    async def look(pilot: Pilot[int], script: Script, recorder: Recorder) -> None:
        await press(pilot, "end")
        await screen.see(pilot, "▸ 0000000")
        assert " of 64" in screen.text(pilot)
        await press(pilot, "home")
        await screen.see(pilot, "1-")

    drive(look, crowd(64, 40.0), size=(80, 24))


def test_the_log_is_narrowed_and_scrolled() -> None:
    async def look(pilot: Pilot[int], script: Script, recorder: Recorder) -> None:
        shown = await press(pilot, "f")
        assert "only trouble" in shown
        assert "spilled" not in shown
        assert "crashed" in shown
        for number in range(7, 60):
            script.queue.put_nowait(
                Happening(number=number, at=at(number), kind=HappeningKind.FAILED, message=f"no {number}")
            )
        await script.queue.join()
        await press(pilot, "4")
        await screen.see(pilot, "no 59")
        shown = await press(pilot, "pageup")
        assert "newer below" in shown
        assert "no 59" not in shown
        script.queue.put_nowait(Happening(number=60, at=at(60), kind=HappeningKind.FAILED, message="no 60"))
        await script.queue.join()
        await screen.settled(pilot)
        assert "no 60" not in screen.text(pilot)
        await press(pilot, "end")
        await screen.see(pilot, "no 60")

    drive(look)


def test_a_log_that_has_nothing_of_a_class_does_not_say_that_nothing_happened() -> None:
    async def look(pilot: Pilot[int], script: Script, recorder: Recorder) -> None:
        shown = await press(pilot, "f")
        assert "only trouble" in shown
        assert "nothing like that has happened yet" in shown

    drive(look, msgspec.structs.replace(SNAPSHOT, happenings=SNAPSHOT.happenings[:1]))


def test_no_line_of_help_is_cut_at_80_columns() -> None:
    async def look(pilot: Pilot[int], script: Script, recorder: Recorder) -> None:
        await press(pilot, "question_mark")
        await screen.see(pilot, "esc closes")
        seen = ""
        for _ in range(8):
            seen += screen.text(pilot)
            await press(pilot, *["down"] * 4)
        for found in keys.KEYS:
            assert found.help in seen

    drive(look, msgspec.structs.replace(SNAPSHOT, models=(), requests=()), size=(80, 24))


def test_pausing_holds_the_screen_and_loses_nothing() -> None:
    async def look(pilot: Pilot[int], script: Script, recorder: Recorder) -> None:
        await press(pilot, "space")
        await screen.see(pilot, "paused")
        script.queue.put_nowait(Change(number=8, at=at(1), running=99))
        script.queue.put_nowait(Happening(number=7, at=at(1), kind=HappeningKind.FAILED, message="meanwhile"))
        await script.queue.join()
        await screen.settled(pilot)
        held = screen.text(pilot)
        assert "99 running" not in held
        assert "meanwhile" not in held
        shown = await press(pilot, "space")
        assert "99 running" in shown
        assert "meanwhile" in shown

    drive(look)


def test_the_palette_finds_every_command() -> None:
    async def look(pilot: Pilot[int], script: Script, recorder: Recorder) -> None:
        app = pilot.app
        assert isinstance(app, TopApp)
        titles = [command.title for command in app.get_system_commands(app.screen)]
        assert {"Prune (x)", "Go to models (1)", "Go to events (4)"} <= set(titles)
        assert len(titles) == len(set(titles))
        for command in app.get_system_commands(app.screen):
            assert command.help

    drive(look)


def test_zooming_gives_a_panel_the_screen_and_puts_it_back() -> None:
    async def look(pilot: Pilot[int], script: Script, recorder: Recorder) -> None:
        before = screen.text(pilot)
        shown = await press(pilot, "z")
        assert "Models" not in shown
        assert "Requests 3" in shown
        assert await press(pilot, "z") == before

    drive(look)


def test_the_cache_alone_has_room_for_all_that_is_known_of_it() -> None:
    async def look(pilot: Pilot[int], script: Script, recorder: Recorder) -> None:
        assert "210 GB free  12.0 GB of 100 GB written today  3 queued (21.0 MB)" in screen.text(pilot)
        shown = await press(pilot, "3", "z")
        for words in ("118 MB/s", "43.0 MB/s", "12.0 GB of 100 GB written", "20.0 GB stay free"):
            assert words in shown
        assert "Requests" not in shown
        assert "Requests 3" in await press(pilot, "z")

    drive(look, size=(80, 24))


def test_a_click_on_a_hint_does_what_the_key_does() -> None:
    async def look(pilot: Pilot[int], script: Script, recorder: Recorder) -> None:
        foot = screen.text(pilot).splitlines()[-1]
        await pilot.click(offset=(foot.index("memory"), 39))
        await screen.see(pilot, "yellow from 80 %")

    drive(look)


def test_a_theme_changes_colours_alone() -> None:
    async def look(pilot: Pilot[int], script: Script, recorder: Recorder) -> None:
        before = screen.text(pilot).splitlines()[:-1]
        for theme in ("omlx-night", "omlx-day", "textual-dark", "textual-light", "ansi-dark"):
            assert theme in pilot.app.available_themes
            pilot.app.theme = theme
            await screen.settled(pilot)
            assert screen.text(pilot).splitlines()[:-1] == before
        await press(pilot, "t")
        await screen.see(pilot, "theme: ")

    drive(look)


def test_the_theme_is_kept_for_the_next_start(tmp_path: Path) -> None:
    taste = Taste(tmp_path / "top.json")

    async def starts_with(chosen: str, *keys: str) -> None:
        app = TopApp(Script(SNAPSHOT), Recorder(), theme=taste.theme(), keep_theme=taste.keep_theme)
        async with app.run_test() as pilot:
            assert app.theme == chosen
            await pilot.press(*keys)

    asyncio.run(starts_with("omlx-night", "t"))
    asyncio.run(starts_with("omlx-day", "t"))
    assert taste.theme() not in ("", "omlx-day")
    assert (tmp_path / "top.json").stat().st_mode & 0o777 == 0o600
    assert [file.name for file in tmp_path.iterdir()] == ["top.json"]
    for broken in ("{", '{"theme": "none such"}', '{"theme": 7}'):
        (tmp_path / "top.json").write_text(broken)
        asyncio.run(starts_with("omlx-night"))
    Taste(tmp_path / "no folder" / "top.json").keep_theme("omlx-day")


def test_without_colour_nothing_is_lost(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NO_COLOR", "1")

    async def look(pilot: Pilot[int], script: Script, recorder: Recorder) -> None:
        screen.compare(pilot, "panels-120x40")
        for strip in pilot.app.screen._compositor.render_strips():
            for segment in strip:
                colour = segment.style.color if segment.style else None
                triplet = colour.triplet if colour else None
                assert triplet is None or triplet.red == triplet.green == triplet.blue

    drive(look)
