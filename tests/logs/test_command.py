"""`omlx logs`: the last entries, filters, rotated files, following, JSON, colours."""

from __future__ import annotations

import json
import os
import signal
import subprocess
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from omlx_cli.contract import logline
from omlx_cli.contract.logline import Entry
from omlx_cli.contract.paths import Paths
from omlx_cli.log import files
from omlx_cli.log.wanted import Wanted
from tests.cli.conftest import OMLX, Omlx, omlx, omlx_on_a_terminal, paths

__all__ = ["omlx", "paths"]

NOW = datetime.now(UTC)
HOUR_S, DAY_S = 3600, 86_400


def entry(message: str, level: str = "info", request: str = "", age_s: float = 0.0, now: datetime = NOW) -> str:
    """Return an entry as the daemon writes it, so old at `now`: by default when this module was read."""
    at = (now - timedelta(seconds=age_s)).astimezone().isoformat(timespec="milliseconds")
    return logline.render(Entry(at=at, level=level, source="server", request=request, message=message)) + "\n"


def said(text: str) -> list[str]:
    """Return the messages in what was printed."""
    return [line.partition(": ")[2] or line for line in text.splitlines()]


@pytest.fixture
def three_files(paths: Paths) -> Path:
    """Return a log that was rotated twice, with 30 entries, a traceback among them."""
    log = paths.daemon_log
    texts = [
        entry("zero", "error", age_s=3 * DAY_S) + "".join(entry(f"old {n}", age_s=3 * DAY_S) for n in range(9)),
        "".join(entry(f"middle {n}", age_s=6 * HOUR_S) for n in range(9))
        + entry("[echo 7] it broke\nTraceback:\n  in f\nValueError: odd", "error", "req_0f3a11.0", age_s=5 * HOUR_S),
        "".join(entry(f"new {n}", "warning" if n == 4 else "info", age_s=10) for n in range(9))
        + entry("smollm2: done", request="req_0f3a11.0,req_77.0"),
    ]
    for name, text in zip((f"{log.name}.2", f"{log.name}.1", log.name), texts, strict=True):
        log.with_name(name).write_text(text)
    os.utime(log.with_name(f"{log.name}.2"), (NOW.timestamp() - 3 * DAY_S,) * 2)
    return log


def test_the_last_entries_across_files(three_files: Path, omlx: Omlx) -> None:
    assert said(omlx("logs", "-n", "2").out) == ["new 8", "smollm2: done"]
    text = omlx("logs", "-n", "11").out
    assert said(text)[:5] == ["[echo 7] it broke", "  Traceback:", "    in f", "odd", "new 0"]
    assert "  Traceback:\n    in f\n  ValueError: odd\n" in text
    assert said(omlx("logs").out)[0] == "zero"
    assert omlx("logs", "-n", "0").out == ""


def test_a_level_and_what_is_worse(three_files: Path, omlx: Omlx) -> None:
    found = said(omlx("logs", "--level", "warning").out)
    assert (found[0], found[1], found[-1]) == ("zero", "[echo 7] it broke", "new 4")
    assert "new 4" not in omlx("logs", "--level", "ERROR").out
    assert said(omlx("logs", "--level", "error", "-n", "1").out)[0] == "[echo 7] it broke"
    assert omlx("logs", "--level", "loud").code == 2


@pytest.mark.parametrize("name", ["req_0f3a11.0", "req_0f3a11", "req_0f", "chatcmpl-0f3a11", "msg_0f3a11", "0f3a11"])
def test_a_request_by_any_of_its_names(three_files: Path, omlx: Omlx, name: str) -> None:
    found = said(omlx("logs", "--request", name).out)
    assert (found[0], found[-1]) == ("[echo 7] it broke", "smollm2: done")


def test_a_request_that_the_log_does_not_know(three_files: Path, omlx: Omlx) -> None:
    ran = omlx("logs", "--request", "req_no")
    assert (ran.code, ran.out) == (0, "")
    assert ran.err == f"nothing like that in {three_files} or the files it was rotated to\n"
    assert omlx("logs", "-q", "--request", "req_no").err == ""


def test_since(three_files: Path, omlx: Omlx) -> None:
    assert said(omlx("logs", "--since", "1h").out)[0] == "new 0"
    assert said(omlx("logs", "--since", "1d").out)[0] == "middle 0"
    assert said(omlx("logs", "--since", "5d").out)[0] == "zero"
    moment = (NOW - timedelta(hours=5, minutes=30)).isoformat()
    assert said(omlx("logs", "--since", moment).out)[0] == "[echo 7] it broke"
    local = (NOW - timedelta(hours=5, minutes=30)).astimezone().replace(tzinfo=None).isoformat()
    assert said(omlx("logs", "--since", local, "-n", "3").out) == ["new 7", "new 8", "smollm2: done"]
    assert said(omlx("logs", "--since", (NOW - timedelta(days=4)).date().isoformat()).out)[0] == "zero"


@pytest.mark.parametrize("text", ["10", "yesterday", "never", "-1h", "25:00", "2026-13-01", "99999999999d"])
def test_a_time_that_is_none(omlx: Omlx, text: str) -> None:
    ran = omlx("logs", "--since", text)
    assert ran.code == 2
    assert ran.err.startswith(f"error: invalid value for '--since': '{text}' is no time; write for example 10m, 2h")


def test_a_time_of_day_is_in_the_past(omlx: Omlx, paths: Paths) -> None:
    # Not `NOW`: that is when the suite began, which may be long before this test.
    now = datetime.now(UTC)
    paths.daemon_log.write_text(entry("older than a day", age_s=DAY_S + HOUR_S, now=now) + entry("x", now=now))
    for ahead_s in (-120, HOUR_S):
        clock = (now.astimezone() + timedelta(seconds=ahead_s)).strftime("%H:%M:%S")
        assert said(omlx("logs", "--since", clock).out) == ["x"]


def test_json_is_an_entry_a_line(three_files: Path, omlx: Omlx) -> None:
    broke, *_, done = [json.loads(line) for line in omlx("logs", "-n", "11", "--json").out.splitlines()]
    at = NOW - timedelta(hours=5)
    assert broke == {
        "at": at.isoformat(timespec="milliseconds").replace("+00:00", "Z"), "level": "error", "source": "server",
        "requests": ["req_0f3a11.0"], "message": "[echo 7] it broke\nTraceback:\n  in f\nValueError: odd",
    }  # fmt: skip
    assert done["requests"] == ["req_0f3a11.0", "req_77.0"]


def test_what_is_no_entry_is_shown_where_nothing_is_left_out(paths: Paths, omlx: Omlx) -> None:
    paths.daemon_log.write_bytes(b"  cut\nraw \xff\n" + entry("x").encode() + b"half")
    assert said(omlx("logs").out) == ["  cut", "raw \ufffd", "x", "half"]
    assert json.loads(omlx("logs", "-n", "1", "--json").out) == {
        "at": "", "level": "", "source": "", "requests": [], "message": "half",
    }  # fmt: skip
    assert said(omlx("logs", "--level", "debug").out) == ["x"]


def test_a_large_log_is_read_from_its_end(paths: Paths, omlx: Omlx) -> None:
    with paths.daemon_log.open("w") as log:
        for number in range(20_000):
            log.write(entry(f"{number} " + "x" * 20, "error" if number == 7 else "info"))
    assert said(omlx("logs", "-n", "1").out)[0].startswith("19999 ")
    assert [line.split()[0] for line in said(omlx("logs", "-n", "9999").out)] == [str(n) for n in range(10_001, 20_000)]
    assert [line.split()[0] for line in said(omlx("logs", "--level", "error").out)] == ["7"]


class Following:
    """`omlx logs -f` in a process of its own."""

    def __init__(self, *words: str) -> None:
        self.process = subprocess.Popen(
            [*OMLX, "logs", "-f", *words], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
        )

    def line(self) -> str:
        assert self.process.stdout is not None
        return said(self.process.stdout.readline())[0]

    def end(self) -> tuple[int, str, str]:
        self.process.send_signal(signal.SIGINT)
        out, err = self.process.communicate(timeout=60)
        return self.process.returncode, out, err

    def close(self) -> None:
        self.process.kill()
        self.process.communicate(timeout=60)


@pytest.fixture
def followed(paths: Paths) -> Iterator[Following]:
    """Return the log of a home with one entry, followed."""
    paths.daemon_log.write_text(entry("begun"))
    following = Following("-n", "1")
    assert following.line() == "begun"
    yield following
    following.close()


def append(log: Path, *texts: str) -> None:
    with log.open("a") as file:
        for text in texts:
            file.write(text)
            file.flush()


def rotate(log: Path) -> None:
    """Rotate as the daemon does, and begin a new file."""
    for number in range(9, 0, -1):
        if log.with_name(f"{log.name}.{number}").exists():
            log.with_name(f"{log.name}.{number}").replace(log.with_name(f"{log.name}.{number + 1}"))
    log.rename(log.with_name(f"{log.name}.1"))
    log.touch()


def test_following_waits_for_whole_lines(followed: Following, paths: Paths) -> None:
    whole = entry("a ü b")
    append(paths.daemon_log, whole[:-4], whole[-4:])
    assert followed.line() == "a ü b"
    assert followed.end() == (0, "", "")


def test_following_crosses_rotations_and_loses_nothing(followed: Following, paths: Paths) -> None:
    expected = []
    for number in range(60):
        append(paths.daemon_log, entry(f"n{number}"))
        expected.append(f"n{number}")
        if number % 20 == 19:
            # Two at once now and then, faster than anybody looks.
            rotate(paths.daemon_log)
            append(paths.daemon_log, entry(f"between {number}"))
            expected.append(f"between {number}")
            rotate(paths.daemon_log)
    assert [followed.line() for _ in expected] == expected
    assert followed.end() == (0, "", "")


def test_following_goes_on_where_the_log_is_cut_or_made_anew(followed: Following, paths: Paths) -> None:
    log = paths.daemon_log
    log.with_name(f"{log.name}.1").write_text(entry("long ago"))
    os.utime(log.with_name(f"{log.name}.1"), (1, 1))
    log.write_text("")
    append(log, entry("cut"))
    assert followed.line() == "cut"
    log.unlink()
    log.write_text(entry("anew"))
    assert followed.line() == "anew"
    assert followed.end() == (0, "", "")


def test_following_with_filters_and_as_json(paths: Paths) -> None:
    paths.daemon_log.write_text(entry("before", "error", "req_1.0"))
    following = Following("--request", "req_1", "--level", "warning", "--json")
    try:
        assert following.process.stdout is not None
        assert json.loads(following.process.stdout.readline())["message"] == "before"
        append(
            paths.daemon_log,
            entry("other", "error", "req_2.0"),
            entry("mild", "info", "req_1.0"),
            entry("grave\nbelow", "error", "req_1.0"),
        )
        assert json.loads(following.process.stdout.readline())["message"] == "grave\nbelow"
        assert following.end() == (0, "", "")
    finally:
        following.close()


def test_what_was_written_meanwhile_is_neither_lost_nor_doubled(paths: Paths) -> None:
    from omlx_cli.log.following import follow

    log = paths.daemon_log
    log.write_text(entry("one"))
    found = follow(log, Wanted(), 10, pause=lambda: append(log, entry("three")))
    assert next(found).message == "one"
    append(log, entry("two"))
    assert [next(found).message for _ in range(2)] == ["two", "three"]
    found.close()
    found = follow(log, Wanted(), 10, pause=lambda: append(log, entry("five")))
    rotate(log)
    append(log, entry("four"))
    assert [next(found).message for _ in range(5)] == ["one", "two", "three", "four", "five"]
    found.close()


def test_history_stops_where_following_begins(paths: Paths) -> None:
    log = paths.daemon_log
    log.write_text(entry("one") + entry("two"))
    mark = files.Mark(log.stat().st_ino, len(entry("one")))
    rotate(log)
    append(log, entry("three"))
    assert [record.message for record in files.last(log, Wanted(), None, mark)] == ["one"]


def test_levels_have_colours_on_a_terminal_alone(three_files: Path) -> None:
    for variables, coloured in (({"NO_COLOR": ""}, True), ({"NO_COLOR": "1"}, False), ({"TERM": "dumb"}, False)):
        terminal = omlx_on_a_terminal("logs", "--level", "warning", **{"NO_COLOR": "", **variables})
        shown = terminal.read()
        terminal.close()
        assert ("\x1b[31mERROR\x1b[0m" in shown, "\x1b[33mWARNING\x1b[0m" in shown) == (coloured, coloured)


def test_controls_in_the_file_do_not_reach_the_terminal(paths: Paths) -> None:
    paths.daemon_log.write_text("raw \x1b[2J\n")
    terminal = omlx_on_a_terminal("logs")
    assert "\x1b[2J" not in terminal.read()
    terminal.close()
