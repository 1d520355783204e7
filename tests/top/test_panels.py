"""Every figure of every panel, from made-up snapshots."""

from __future__ import annotations

from collections.abc import Sequence

import msgspec
import pytest

from omlx_cli.contract.api import MemoryLevel, MemoryStatus, RequestInfo, RequestPhase, SlotInfo, SlotState
from omlx_cli.contract.live import Happening, HappeningKind, LiveCache, LiveMemory, LiveTier, Snapshot
from omlx_cli.contract.misses import MissCause, MissInfo
from omlx_cli.top import detail, header, log, models, requests, tiers
from omlx_cli.top.history import History
from omlx_cli.top.moment import Moment
from omlx_cli.top.spans import Line, Role, text, width
from omlx_cli.top.table import Row, Sorting, Table
from omlx_cli.top.text import render
from tests.top.scripted import CACHE, GB, MEMORY, MODELS, REQUESTS, SNAPSHOT, at


def moment(snapshot: Snapshot = SNAPSHOT, after_s: float = 0.0) -> Moment:
    history = History()
    history.take(snapshot)
    return Moment.after(snapshot, history, after_s)


def changed(**parts: object) -> Moment:
    return moment(msgspec.structs.replace(SNAPSHOT, **parts))


def cells(table: Table[Row], row: Row, when: Moment, width_cells: int = 220) -> dict[str, str]:
    """Return what a row shows, by column."""
    layout = table.layout(width_cells, table.wishes([row]))
    return {column.key: text(column.cell(row, when, cells)).strip() for column, cells in layout}


def widths(table: Table[Row], rows: Sequence[Row], cells_wide: int) -> set[int]:
    """Return how wide a table's lines are, whether or not its columns are fitted to the rows."""
    layouts = [table.layout(cells_wide, wishes) for wishes in ({}, table.wishes(rows))]
    heads = [table.head(layout, cells_wide, Sorting("size")) for layout in layouts]
    return {width(found) for found in (*heads, *(
        table.line(layout, row, moment(), cells_wide) for layout in layouts for row in rows
    ))}  # fmt: skip


def roles(found: Line) -> set[Role]:
    return {span.role for span in found if span.text.strip()}


def test_a_busy_model() -> None:
    assert cells(models.TABLE, MODELS[0], moment()) == {
        "name": "qwen3-coder-30b-4bit", "state": "● busy", "size": "18.4 GB", "pin": "yes", "ttl": "never",
        "work": "3+2", "prefill": "1,804", "decode": "143", "hit": "80%",
        "note": "1.6M of 2.0M tokens reused, 11m40s saved",
    }  # fmt: skip


def test_an_idle_model_counts_down_and_never_below_nothing() -> None:
    assert cells(models.TABLE, MODELS[1], moment())["ttl"] == "4m12s"
    assert cells(models.TABLE, MODELS[1], moment(after_s=60))["ttl"] == "3m12s"
    assert cells(models.TABLE, MODELS[1], moment(after_s=900))["ttl"] == "0s"
    assert cells(models.TABLE, MODELS[1], moment())["hit"] == "-"


def test_a_model_that_is_in_use_shows_the_time_it_will_have() -> None:
    row = msgspec.structs.replace(MODELS[0], pinned=False, ttl_s=600.0)
    assert cells(models.TABLE, row, moment())["ttl"] == "10m"
    assert cells(models.TABLE, msgspec.structs.replace(row, ttl_s=None), moment())["ttl"] == "never"


def test_a_loading_model_shows_how_far_it_is_and_whether_it_waits() -> None:
    assert cells(models.TABLE, MODELS[2], moment())["state"] == "◔ loading ━━━━╸───── 45%"
    assert cells(models.TABLE, MODELS[2], moment(), 60)["state"] == "◔ loading 45%"
    waiting = msgspec.structs.replace(MODELS[2], waits="qwen3 is busy")
    assert cells(models.TABLE, waiting, moment())["state"] == "◔ loading waits"
    assert models.trouble(waiting, moment()) == "waits for memory: qwen3 is busy"


def test_when_a_model_goes_is_told_in_words() -> None:
    assert models.goes(MODELS[0], moment()) == "never"
    assert models.goes(MODELS[1], moment()) == "in 4m12s"
    assert models.goes(msgspec.structs.replace(MODELS[0], pinned=False, ttl_s=600.0), moment()) == (
        "10m after its last request"
    )
    assert models.goes(MODELS[3], moment()) == "-"


def test_a_crashed_model_says_how_often_why_and_when_again() -> None:
    assert cells(models.TABLE, MODELS[3], moment())["state"] == "× crashed 2×"
    assert models.trouble(MODELS[3], moment()) == "the worker was killed: out of memory; may start again in 30s"
    assert models.trouble(MODELS[3], moment(after_s=31)) == "the worker was killed: out of memory"
    assert models.trouble(MODELS[1], moment()) == ""
    assert cells(models.TABLE, MODELS[3], moment())["note"] == models.trouble(MODELS[3], moment())


def test_a_model_whose_prompts_are_not_cached_says_why() -> None:
    off = msgspec.structs.replace(CACHE.models[0], enabled=False, why_off="its state cannot be cut")
    now = changed(cache=msgspec.structs.replace(CACHE, models=(off,)))
    assert cells(models.TABLE, MODELS[0], now)["note"] == "its state cannot be cut"


@pytest.mark.parametrize("state", list(SlotState))
def test_no_two_states_look_the_same_without_colour(state: SlotState) -> None:
    shown = [cells(models.TABLE, SlotInfo(name="m", state=other), moment())["state"] for other in SlotState]
    assert sum(cells(models.TABLE, SlotInfo(name="m", state=state), moment())["state"] == one for one in shown) == 1


def test_a_request_that_generates() -> None:
    assert cells(requests.TABLE, REQUESTS[0], moment()) == {
        "id": "3f1c5a0e7d0c", "model": "qwen3-coder-30b-4bit", "client": "claude-code", "priority": "normal",
        "phase": "decode  ██████████████████▓▓▓▓▓▓▓▒▒", "prompt": "48.2k", "hot": "32.8k", "cold": "12.3k",
        "new": "3,155", "out": "412", "rate": "48", "ttft": "1.8s", "age": "12s",
    }  # fmt: skip


def test_a_request_that_reads_its_prompt() -> None:
    shown = cells(requests.TABLE, REQUESTS[1], moment())
    assert (shown["hot"], shown["cold"], shown["new"]) == ("0", "4,096", "4,904")
    assert shown["phase"].endswith("45%")
    assert shown["ttft"] == "-"
    assert shown["priority"] == "interactive"
    assert cells(requests.TABLE, REQUESTS[1], moment(), 118)["priority"] == "inter"


def test_parts_of_a_prompt_add_up_to_what_is_done() -> None:
    for row in REQUESTS:
        assert sum(size for _, size in requests.prompt_parts(row)) == row.prefilled_tokens


def test_ages_go_on_between_two_words_of_the_daemon() -> None:
    later = moment(after_s=8.6)
    assert cells(requests.TABLE, later.snapshot.requests[0], later)["age"] == "21s"
    assert text(header.header(later, 120)[0]).startswith(" omlx 1.2.3 · ready · up 3h12m · 127.0.0.1:8000")


def test_names_from_outside_are_shown_clean() -> None:
    row = msgspec.structs.replace(REQUESTS[0], client="evil\x1b]0;title\x07")
    assert "\x1b" not in cells(requests.TABLE, row, moment())["client"]


@pytest.mark.parametrize(
    ("key", "descending", "first"),
    [
        ("age", True, 0),
        ("age", False, 2),
        ("phase", False, 2),
        ("out", True, 0),
        ("ttft", False, 0),
        ("client", True, 1),
    ],
)
def test_requests_are_sorted(key: str, descending: bool, first: int) -> None:
    rows = requests.TABLE.rows(REQUESTS, moment(), Sorting(key, descending))
    assert rows[0] is REQUESTS[first]
    assert len(rows) == len(REQUESTS)


def test_models_are_sorted_by_when_they_go_those_that_stay_last() -> None:
    rows = models.TABLE.rows(MODELS, moment(), Sorting("ttl"))
    assert rows[0] is MODELS[1]


def test_every_column_can_be_sorted_by() -> None:
    for column in models.TABLE.columns:
        assert len(models.TABLE.rows(MODELS, moment(), Sorting(column.key, True))) == len(MODELS)
    for field in requests.TABLE.columns:
        assert len(requests.TABLE.rows(REQUESTS, moment(), Sorting(field.key, True))) == len(REQUESTS)


def test_a_filter_wants_all_its_words_in_any_case() -> None:
    assert requests.TABLE.rows(REQUESTS, moment(), Sorting(), "CLAUDE decode") == [REQUESTS[0]]
    assert requests.TABLE.rows(REQUESTS, moment(), Sorting(), "claude prefill") == []
    assert models.TABLE.rows(MODELS, moment(), Sorting(), "pinned") == [MODELS[0]]


def test_sorting_turns_round_and_ends() -> None:
    assert Sorting().by("age") == Sorting("age")
    assert Sorting("age").by("age") == Sorting("age", True)
    assert Sorting("age", True).by("age") == Sorting()
    assert Sorting().next(["id", "age"]).key == "id"
    assert Sorting("age").next(["id", "age"]).key == ""


@pytest.mark.parametrize("cells_wide", range(20, 260))
def test_rows_are_as_wide_as_there_is_room(cells_wide: int) -> None:
    now = moment()
    assert widths(requests.TABLE, REQUESTS, cells_wide) | widths(models.TABLE, MODELS, cells_wide) == {cells_wide}
    assert all(width(found) <= cells_wide for found in tiers.tiers(now, cells_wide, 9))
    assert all(width(found) <= cells_wide for found in header.header(now, cells_wide))


def test_a_narrow_table_keeps_what_matters_most() -> None:
    kept = [column.key for column, _ in requests.TABLE.layout(60)]
    assert kept == ["id", "model", "phase", "out", "rate"]
    assert len(requests.TABLE.layout(150)) == len(requests.TABLE.columns)


def test_names_are_whole_before_anything_else_grows() -> None:
    wishes = requests.TABLE.wishes(REQUESTS)
    assert wishes == {"model": 20, "client": 11, "priority": 11}
    given = {column.key: cells for column, cells in requests.TABLE.layout(132, wishes)}
    assert (given["model"], given["client"], given["priority"], given["phase"]) == (20, 11, 11, 18)
    assert [cells(models.TABLE, row, moment(), 78)["state"] for row in MODELS[2:]] == ["◔ loading 45%", "× crashed 2×"]


def test_the_header_tells_of_the_daemon_and_its_load() -> None:
    first, second = (text(found) for found in header.header(moment(), 160))
    assert first.split(" · ") == [
        " omlx 1.2.3", "ready", "up 3h12m", "127.0.0.1:8000", "pid 4242", "1,204 requests in all".ljust(len(
            first.split(" · ")[-1]))]  # fmt: skip
    assert "84% yellow 21.0 GB of 25.0 GB" in second
    assert "3 running, 2 queued" in second
    assert "143 tok/s out" in second
    assert "1,804 tok/s in" in second


def test_a_narrow_header_keeps_the_figures() -> None:
    second = text(header.header(moment(), 80)[1])
    assert "84% yellow  3 running, 2 queued  143 tok/s out  1,804 tok/s in" in second


def test_a_port_that_is_taken_is_told_in_the_header() -> None:
    daemon = msgspec.structs.replace(SNAPSHOT.daemon, address="", tcp_error="127.0.0.1:8000 is in use")
    assert "no address: 127.0.0.1:8000 is in use" in text(header.header(changed(daemon=daemon), 120)[0])


@pytest.mark.parametrize(
    ("used", "told", "level"),
    [(10, MemoryLevel.GREEN, "green"), (20, MemoryLevel.GREEN, "yellow"), (24, MemoryLevel.GREEN, "red"),
     (10, MemoryLevel.RED, "red"), (20, MemoryLevel.RED, "red")],
)  # fmt: skip
def test_the_gauge_is_as_bad_as_the_worst_it_is_told(used: int, told: MemoryLevel, level: str) -> None:
    memory = LiveMemory(used_bytes=used * GB, limit_bytes=25 * GB, status=MemoryStatus(level=told))
    assert f"% {level} " in text(header.header(changed(memory=memory), 120)[1])


def test_the_tiers_show_size_share_and_savings() -> None:
    lines = [text(found) for found in tiers.tiers(moment(), 140, 9)]
    assert lines[0].startswith(" hot   ━━━━━─────── 3.2 GB of 8.0 GB    hit 41%  412 blocks  1.2M tokens reused")
    assert lines[1].startswith(" cold  ━╸────────── 12.4 GB of 100 GB   hit 22%  1,733 blocks")
    assert lines[2].startswith(" saved 1.8M of 2.9M tokens  12m34s  1.1M recomputed")
    assert lines[3].startswith(" read     118 MB/s")
    assert lines[3].rstrip().endswith("14.0 GB in all")
    assert lines[4].startswith(" write   43.0 MB/s")
    assert lines[5].startswith(" today ━╸────────── 12.0 GB of 100 GB written  3 queued (21.0 MB)")
    assert lines[6].startswith(" disk  210 GB free  20.0 GB stay free")
    assert len(tiers.tiers(moment(), 140, 4)) == 4


@pytest.mark.parametrize("cells_wide", [58, 78, 100])
def test_what_was_saved_has_a_sparkline_wherever_its_words_leave_room(cells_wide: int) -> None:
    early = LiveCache(tiers=CACHE.tiers[:1], requested_tokens=1_300_000, recomputed_tokens=100_000)
    for cache in (CACHE, early, LiveCache(tiers=CACHE.tiers)):
        saved = text(tiers.tiers(changed(cache=cache), cells_wide, 9)[len(cache.tiers)]).rstrip()
        assert saved.startswith(" saved")
        assert ("recomputed  ··" in saved) == (cells_wide - len(saved.partition("  ··")[0]) - 3 >= 8), saved


def test_time_that_was_not_saved_is_not_told() -> None:
    saved = text(tiers.tiers(changed(cache=LiveCache()), 78, 9)[0])
    assert saved.startswith(" saved 0 of 0 tokens  0 recomputed")


def test_a_picture_printed_once_has_no_sparklines() -> None:
    printed = render(SNAPSHOT)
    assert "▁" not in printed
    assert "·····" not in printed.partition("ID ")[0]
    for fact in ("118 MB/s  14.0 GB in all", "12.0 GB of 100 GB written", "finished    req_77"):
        assert fact in printed


def test_hit_rates_are_weighted_by_tokens() -> None:
    assert tiers.hit_rate(moment()) == pytest.approx(1_840_000 / 2_900_000)
    assert tiers.tier_rate(CACHE.tiers[0], moment()) == pytest.approx(1_200_000 / 2_900_000)
    assert tiers.hit_rate(changed(cache=LiveCache())) is None


def test_a_cache_in_trouble_says_so_first() -> None:
    cache = msgspec.structs.replace(CACHE, state="degraded", reason="No space left on device", free_bytes=GB)
    lines = tiers.tiers(changed(cache=cache), 100, 9)
    assert text(lines[0]).startswith(" degraded: No space left on device")
    assert Role.BAD in roles(lines[-1])


def test_a_tier_without_a_limit_has_no_gauge() -> None:
    cache = LiveCache(tiers=(LiveTier(tier="cold", size_bytes=5 * GB),))
    assert "5.0 GB, no limit" in text(tiers.tiers(changed(cache=cache), 100, 1)[0])
    assert "━" not in text(tiers.tiers(changed(cache=cache), 100, 1)[0])


def test_entries_of_the_log() -> None:
    entries = [text(log.entry(one, 90)).rstrip() for one in SNAPSHOT.happenings]
    assert entries[1] == " 09:25:55 spilled     ×24 blocks left RAM, and lie on SSD"
    assert entries[4] == " 09:25:58 crashed     smollm2: the worker was killed: out of memory"


@pytest.mark.parametrize("log_class", list(log.LogClass))
def test_classes_of_the_log(log_class: log.LogClass) -> None:
    every = [Happening(number=n, at=at(n), kind=kind, message="x") for n, kind in enumerate(HappeningKind, 1)]
    kinds = {one.kind.value for one in log.chosen(every, log_class)}
    wanted = {
        "all": {kind.value for kind in HappeningKind},
        "trouble": {"crashed", "refused", "stuck", "quarantined", "failed", "memory", "cache", "missed"},
        "models": {"loaded", "unloaded", "crashed", "stuck", "missed"},
        "cache": {"evicted", "spilled", "pruned", "quarantined", "cache", "missed"},
        "requests": {"refused", "failed", "cancelled", "finished", "missed"},
    }
    assert kinds == wanted[log_class.value]


def test_every_class_of_the_log_can_be_reached() -> None:
    seen = [log.LogClass.ALL]
    while seen[-1].next not in seen:
        seen.append(seen[-1].next)
    assert len(seen) == len(log.LogClass)


def test_the_detail_of_a_request() -> None:
    shown = "\n".join(text(found).rstrip() for found in detail.request(REQUESTS[0].id, moment(), 90))
    for fact in ("req_3f1c5a0e7d0c", "claude-code", "after 1.8s", "48,211 tokens, 100% done", "32,768   68%",
                 "12,288   25%", "3,155    7%", "412 tokens, 48 tok/s now"):  # fmt: skip
        assert fact in shown
    assert "09:26:40.50       +0  arrived" in shown
    assert "09:26:42.34    +1.8s  first token" in shown


def test_the_detail_of_a_request_says_why_no_more_was_reused() -> None:
    miss = MissInfo(
        cause=MissCause.COUNTER, at_tokens=1_234, detail="a date or time",
        advice="Put what changes at the end of the prompt, " * 4,
    )  # fmt: skip
    row = msgspec.structs.replace(REQUESTS[0], miss=miss)
    shown = [text(found).rstrip() for found in detail.request(row.id, changed(requests=(row,)), 80)]
    at = next(number for number, found in enumerate(shown) if found.startswith(" missed"))
    assert shown[at : at + 2] == [" missed       counter  after 1,234 tokens", "              a date or time"]
    assert " ".join(" ".join(shown[at + 2 : at + 5]).split()) == f"what to do {miss.advice.strip()}"
    assert shown[at + 5] == ""
    known = [text(found).rstrip() for found in detail.request(REQUESTS[0].id, moment(), 80)]
    assert " missed       nothing that is known" in known
    waiting = [text(found) for found in detail.request(REQUESTS[2].id, moment(), 80)]
    assert not any(found.startswith(" missed") for found in waiting)


def test_the_detail_of_a_request_that_has_ended() -> None:
    now = moment()
    gone = msgspec.structs.replace(SNAPSHOT, at=at(2), requests=())
    now.history.take(gone)
    now.history.note(
        Happening(
            number=50, at=at(1.5), kind=HappeningKind.FINISHED, message="after 512 tokens", request=REQUESTS[0].id
        )
    )
    shown = "\n".join(text(found) for found in detail.request(REQUESTS[0].id, Moment.after(gone, now.history, 0), 90))
    assert "after 512 tokens" in shown
    assert "age          14s" in shown
    assert "not known" in text(detail.request("req_none", now, 90)[0])


def test_the_terms_of_memory() -> None:
    shown = [text(found).strip() for found in detail.memory(moment(), 90)]
    assert shown[0].endswith("84%: 21.0 GB of 25.0 GB for models")
    assert "system    32.0 GB" in shown
    assert "reserve   -7.0 GB  kept free" in shown
    assert MEMORY.status.reasons[0] in shown


def test_the_detail_of_a_model() -> None:
    shown = "\n".join(text(found) for found in detail.model(MODELS[0].name, moment(), 90))
    for fact in (
        "2,000,000 tokens",
        "hot 1.1M",
        "cold 500k",
        "recomputed 400k",
        "3 times  new",
        "11m40s",
        "goes         never",
    ):
        assert fact in shown
    assert "not in memory" in text(detail.model("none", moment(), 90)[0])
    assert "out of memory" in "\n".join(text(found) for found in detail.model("smollm2", moment(), 90))


def test_a_request_without_a_prompt_yet_has_no_bar() -> None:
    row = RequestInfo(id="req_1", model="m", phase=RequestPhase.LOADING)
    assert cells(requests.TABLE, row, moment())["phase"] == "loading"
