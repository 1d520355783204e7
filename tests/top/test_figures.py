"""How numbers, bars and sparklines come out."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from omlx_cli.contract.api import MemoryLevel
from omlx_cli.top import figures, gauges
from omlx_cli.top.spans import Role, Span, clean, fit, fitting, line, text, width


@pytest.mark.parametrize(
    ("number", "written"),
    [(0, "0"), (9_999, "9,999"), (10_000, "10.0k"), (99_949, "99.9k"), (99_960, "100k"), (999_999, "1.0M"),
     (1_234_567, "1.2M"), (250_000_000, "250M"), (3_000_000_000, "3.0G"), (7 * 10**12, "7.0T")],
)  # fmt: skip
def test_counts(number: int, written: str) -> None:
    assert figures.count(number) == written


@pytest.mark.parametrize(
    ("per_s", "written"), [(0.0, "0"), (0.04, "0.0"), (3.44, "3.4"), (9.96, "10"), (812.4, "812"), (12_345.0, "12.3k")]
)
def test_rates(per_s: float, written: str) -> None:
    assert figures.rate(per_s) == written


@pytest.mark.parametrize(
    ("value", "written"),
    [(None, "-"), (0.0, "0%"), (0.001, "<1%"), (0.5, "50%"), (0.999, "99%"), (1.0, "100%"), (1.2, "120%")],
)
def test_a_share_rounds_neither_to_nothing_nor_to_all(value: float | None, written: str) -> None:
    assert figures.percent(value) == written


@pytest.mark.parametrize(
    ("value", "written"), [(None, "-"), (0.24, "240ms"), (3.21, "3.2s"), (12.4, "12s"), (65.0, "1m5s"), (-1.0, "0")]
)
def test_short_times(value: float | None, written: str) -> None:
    assert figures.seconds(value) == written


@pytest.mark.parametrize(("left_s", "written"), [(0.2, "0s"), (252.0, "4m12s"), (7260.0, "2h1m")])
def test_countdowns(left_s: float, written: str) -> None:
    assert figures.countdown(left_s) == written


def test_sizes_against_their_limits() -> None:
    assert figures.of_limit(3_200_000_000, 8_000_000_000) == "3.2 GB of 8.0 GB"
    assert figures.of_limit(500, None) == "500 B, no limit"
    assert figures.signed(-7_000_000_000) == "-7.0 GB"


def test_odd_times_are_no_times() -> None:
    assert figures.epoch_s("yesterday") is None
    assert figures.epoch_s(None) is None
    assert figures.time_of_day("yesterday") == "--:--:--"
    assert figures.time_of_day("2026-03-14T09:26:53.5Z") == "09:26:53"


@pytest.mark.parametrize(
    ("share", "level"),
    [(None, "green"), (0.7999, "green"), (0.80, "yellow"), (0.9499, "yellow"), (0.95, "red"), (1.3, "red")],
)
def test_levels_begin_at_80_and_95_percent(share: float | None, level: str) -> None:
    assert gauges.level(share) == level


def test_the_worse_level_counts() -> None:
    assert gauges.worse(MemoryLevel.RED, MemoryLevel.GREEN) is MemoryLevel.RED
    assert gauges.worse(MemoryLevel.GREEN, MemoryLevel.YELLOW) is MemoryLevel.YELLOW


@pytest.mark.parametrize(
    ("share", "drawn"),
    [(None, "──────────"), (0.0, "──────────"), (0.001, "╸─────────"), (0.5, "━━━━━─────"), (0.55, "━━━━━╸────"),
     (0.999, "━━━━━━━━━╸"), (1.0, "━━━━━━━━━━"), (1.7, "━━━━━━━━━━")],
)  # fmt: skip
def test_a_bar_is_full_at_the_limit_alone_and_empty_at_nothing_alone(share: float | None, drawn: str) -> None:
    assert text(gauges.bar(share, 10)) == drawn


def test_the_parts_of_a_bar_are_told_apart_without_colour() -> None:
    parts = ((Role.HOT, 50), (Role.COLD, 25), (Role.NEW, 10))
    assert text(gauges.pieces(parts, 100, 20)) == "██████████▓▓▓▓▓▒▒···"


@given(st.lists(st.integers(0, 10_000), min_size=3, max_size=3), st.integers(1, 80), st.integers(0, 20_000))
def test_a_bar_of_parts_has_its_width_whatever_the_parts(sizes: list[int], cells: int, rest: int) -> None:
    parts = tuple(zip((Role.HOT, Role.COLD, Role.NEW), sizes, strict=True))
    drawn = text(gauges.pieces(parts, sum(size for _, size in parts) + rest, cells))
    assert len(drawn) == cells
    if rest == 0 and any(sizes):
        assert "·" not in drawn


def test_a_sparkline_has_the_newest_at_the_right_and_blank_before_the_first() -> None:
    assert gauges.sparkline([0, 1, 2, 4], 8, span=8) == "    ▁▃▅█"
    assert gauges.sparkline([], 4, span=4) == "    "
    assert gauges.sparkline([0, 0], 2) == "▁▁"


def test_a_sparkline_keeps_the_peak_of_a_stretch() -> None:
    assert gauges.sparkline([0.0] * 50 + [9.0] + [0.0] * 49, 10, span=100) == "▁▁▁▁▁█▁▁▁▁"


@given(st.lists(st.floats(0, 1e12), max_size=400), st.integers(1, 120), st.integers(1, 300))
def test_a_sparkline_has_its_width_whatever_the_values(values: list[float], cells: int, span: int) -> None:
    assert len(gauges.sparkline(values, cells, span=span)) == cells


def test_what_comes_from_outside_moves_no_cursor() -> None:
    assert clean("a\x1b[2Jb\nc") == "a\ufffd[2Jb\ufffdc"
    assert clean("qwen3-coder") == "qwen3-coder"


def test_lines_are_cut_and_padded_by_cells() -> None:
    assert text(fit(line("model"), 8)) == "model   "
    assert text(fit(line("model"), 8, right=True)) == "   model"
    assert text(fit(line("a long name"), 6)) == "a lon…"
    assert width(fit(line("模型名字很长"), 7)) <= 7


@given(st.text(max_size=40).map(clean), st.integers(1, 30))
def test_fitted_lines_never_exceed_their_cells(words: str, cells: int) -> None:
    assert width(fit(line(words), cells)) <= cells


def test_parts_that_do_not_fit_are_left_out_from_the_end() -> None:
    parts = (line("one"), (), line("two"), line("three"))
    assert text(fitting(parts, 9)) == "one  two"
    assert fitting((line("too long"),), 3) == ()
    assert text(fitting(parts, 40, Span(" · "))) == "one · two · three"
