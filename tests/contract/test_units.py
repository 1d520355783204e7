"""Durations and sizes as people write them."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from omlx_cli.contract.units import (
    format_bytes,
    format_duration,
    parse_duration_s,
    parse_keep_alive_s,
    parse_size_bytes,
)


@pytest.mark.parametrize(
    ("text", "seconds"),
    [("7d", 604800), ("1h30m", 5400), ("1.5h", 5400), ("250ms", 0.25), ("0", 0), ("2w", 1209600), ("never", math.inf)],
)
def test_durations(text: str, seconds: float) -> None:
    assert parse_duration_s(text) == seconds


@pytest.mark.parametrize("text", ["", "7", "-7d", "7 d", "7months", "1y", "d", "7D", "nan", "inf", "1e3s", "7d!"])
def test_refused_durations_show_an_example(text: str) -> None:
    with pytest.raises(ValueError, match="7d"):
        parse_duration_s(text)


@pytest.mark.parametrize(
    ("text", "count"),
    [("100GB", 10**11), ("8GiB", 8 << 30), ("512 MiB", 512 << 20), ("1.5k", 1500), ("42", 42), ("0", 0), ("20%", 200)],
)
def test_sizes(text: str, count: int) -> None:
    assert parse_size_bytes(text, base_bytes=1000) == count


@pytest.mark.parametrize("text", ["", "-1", "GB", "1XB", "101%", "-5%", "nan", "1e9", "8 gigs"])
def test_refused_sizes_show_an_example(text: str) -> None:
    with pytest.raises(ValueError, match="write for example"):
        parse_size_bytes(text, base_bytes=1000)


@pytest.mark.parametrize(("seconds", "text"), [(0, "0"), (0.0204, "20ms"), (0.9996, "1s"), (math.inf, "never")])
def test_shown_durations(seconds: float, text: str) -> None:
    assert format_duration(seconds) == text


def test_a_percentage_needs_a_base() -> None:
    with pytest.raises(ValueError, match="8GiB"):
        parse_size_bytes("20%")


@given(st.integers(min_value=0, max_value=10**9))
def test_whole_seconds_survive_to_two_units(seconds: int) -> None:
    shown = parse_duration_s(format_duration(seconds))
    assert seconds * 0.88 <= shown <= seconds


@given(st.integers(min_value=0, max_value=10**16))
def test_bytes_are_shown_to_two_digits_at_least(count: int) -> None:
    number, unit = format_bytes(count).split()
    power = {"B": 0, "kB": 1, "MB": 2, "GB": 3, "TB": 4}[unit]
    assert float(number) * 1000**power == pytest.approx(count, rel=0.051)


@pytest.mark.parametrize(
    ("value", "seconds"),
    [("5m", 300), ("-1m", math.inf), (-1, math.inf), ("-1", math.inf), (0, 0), ("0", 0), ("0s", 0), (300, 300),
     ("300", 300), ("1.5", 1.5), (2.5, 2.5), ("never", math.inf), ("1h30m", 5400)],
)  # fmt: skip
def test_keep_alive_is_spelled_as_ollama_does(value: str | float, seconds: float) -> None:
    assert parse_keep_alive_s(value) == seconds


@pytest.mark.parametrize("value", ["", "soon", "5 m", "--1", "m5"])
def test_no_keep_alive(value: str) -> None:
    with pytest.raises(ValueError, match="write for example 5m"):
        parse_keep_alive_s(value)
