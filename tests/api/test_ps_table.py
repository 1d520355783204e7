"""The finished table, exactly."""

from __future__ import annotations

from datetime import UTC, datetime

from omlx_cli.contract.api import SlotInfo, SlotState
from omlx_daemon.api import ps_table

NOW = datetime(2026, 1, 2, 3, 0, 0, tzinfo=UTC)


def test_rows() -> None:
    slots = [
        SlotInfo(
            name="smollm2:135m",
            state=SlotState.BUSY,
            size_bytes=98_400_000,
            running=2,
            queued=1,
            decode_tokens_per_s=61.26,
            ttl_s=600,
        ),
        SlotInfo(
            name="mlx-community/Qwen3-0.6B-4bit",
            state=SlotState.IDLE,
            size_bytes=351_000_000,
            ttl_s=600,
            expires_at="2026-01-02T03:09:32Z",
        ),
        SlotInfo(name="pinned", state=SlotState.IDLE, size_bytes=4_200_000_000, pinned=True),
        SlotInfo(name="coming", state=SlotState.LOADING, size_bytes=1000, loading=0.43, ttl_s=600),
        SlotInfo(name="late", state=SlotState.IDLE, ttl_s=600, expires_at="2026-01-02T02:59:00Z"),
    ]
    assert ps_table.render(slots, NOW) == (
        "NAME                           SIZE     STATE        PINNED  REQUESTS    TOK/S  UNTIL\n"
        "smollm2:135m                   98.4 MB  busy         no      2+1 queued  61.3   -\n"
        "mlx-community/Qwen3-0.6B-4bit  351 MB   idle         no      0           -      9m32s\n"
        "pinned                         4.2 GB   idle         yes     0           -      never\n"
        "coming                         1.0 kB   loading 43%  no      0           -      -\n"
        "late                           0 B      idle         no      0           -      0\n"
    )


def test_what_is_wrong_stands_below() -> None:
    slots = [
        SlotInfo(
            name="a", state=SlotState.CRASHED, error="the worker of a ended: killed by SIGKILL", crashes=3,
            retry_at="2026-01-02T03:00:08Z", ttl_s=600,
        ),
        SlotInfo(name="b", state=SlotState.STUCK, ttl_s=600),
        SlotInfo(name="c", state=SlotState.IDLE),
    ]  # fmt: skip
    assert ps_table.render(slots, NOW).splitlines()[4:] == [
        "",
        "a: the worker of a ended: killed by SIGKILL; 3 crashes so far; next start in 8s",
        "b: it has work and makes no step; /health/ready names the request",
    ]


def test_nothing_loaded_is_the_header_alone() -> None:
    assert ps_table.render([], NOW) == "NAME  SIZE  STATE  PINNED  REQUESTS  TOK/S  UNTIL\n"
