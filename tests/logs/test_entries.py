"""Entries as they are written and read again."""

from __future__ import annotations

import logging
from datetime import datetime

from hypothesis import given
from hypothesis import strategies as st

from omlx_cli.contract import logline
from omlx_cli.contract.logline import LEVELS, Entry
from omlx_daemon.core.entries import EntryFormatter, about

AT = "2026-11-21T13:30:56.123+02:00"


def read_back(text: str) -> Entry:
    """Return the one entry that `text` holds, as a reader of the file puts it together."""
    first, *below = text.split("\n")
    entry = logline.parse(first)
    assert entry is not None
    assert [logline.parse(line) for line in below] == [None] * len(below)
    message = "\n".join([entry.message, *(line.removeprefix(logline.INDENT) for line in below)])
    return Entry(at=entry.at, level=entry.level, source=entry.source, request=entry.request, message=message)


def test_a_line_as_people_see_it() -> None:
    entry = Entry(at=AT, level="info", source="pool.live", request="req_1.0", message="done")
    assert logline.render(entry) == f"{AT} INFO    pool.live [req_1.0]: done"
    assert logline.render(Entry(at=AT, level="warning", source="server", message="x")) == f"{AT} WARNING server: x"


@given(st.text(), st.sampled_from(LEVELS), st.sampled_from(["", "req_1.0", "req_1.0,req_2.0"]))
def test_what_is_written_is_read_again(message: str, level: str, request: str) -> None:
    written = Entry(at=AT, level=level, source="pool.live", request=request, message=message)
    read = read_back(logline.render(written))
    assert (read.at, read.level, read.source, read.request) == (AT, level, "pool.live", request)
    assert all(letter.isprintable() or letter in "\t\n" or ord(letter) > 0x9F for letter in read.message)
    if all(letter.isprintable() for letter in message):
        assert read.message == message


def test_no_message_passes_for_another_entry() -> None:
    forged = logline.render(Entry(at=AT, level="error", source="server", message="forged"))
    entry = Entry(at=AT, source="api", message=f"model 'x\n{forged}\x1b[2J' is not here")
    lines = logline.render(entry).split("\n")
    assert [logline.parse(line) is not None for line in lines] == [True, False]
    assert "\x1b" not in lines[1]


def test_a_record_becomes_an_entry_with_its_traceback_below() -> None:
    try:
        raise ValueError("odd")
    except ValueError as error:
        exc_info = (type(error), error, error.__traceback__)
    record = logging.LogRecord("omlx_daemon.worker.host", logging.ERROR, "f", 1, "%s broke", ("it",), exc_info)
    record.__dict__.update(about("req_1.0"))
    entry = read_back(EntryFormatter().format(record))
    assert (entry.level, entry.source, entry.request) == ("error", "worker.host", "req_1.0")
    assert entry.message.startswith("it broke\nTraceback (most recent call last):\n  File ")
    assert entry.message.endswith("\nValueError: odd")
    assert 0 <= record.created - datetime.fromisoformat(entry.at).timestamp() < 0.001


def test_of_a_large_batch_the_first_are_named() -> None:
    named = about(*(f"req_{number}" for number in range(256)))
    assert len(named["omlx_request"].split(",")) == 32
