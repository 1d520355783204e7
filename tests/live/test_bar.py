"""The daemon in one short line."""

from __future__ import annotations

import msgspec
import pytest

from omlx_cli import bar
from omlx_cli.contract import routes
from omlx_cli.contract.api import (
    DaemonInfo,
    DaemonState,
    MemoryLevel,
    MemoryStatus,
    SlotInfo,
    SlotState,
    Status,
)
from omlx_cli.contract.errors import Code
from tests.cli.conftest import Omlx, omlx_process
from tests.cli.conftest import daemon as daemon
from tests.cli.conftest import omlx as omlx
from tests.cli.conftest import paths as paths
from tests.cli.stand_in import StandIn, refusal
from tests.cli.test_budget import HEAVY, imported_by

DAEMON = DaemonInfo(version="1", pid=1, start_id="a", prefix="/p", home="/h", socket="/s")
IDLE = Status(daemon=DAEMON, memory_limit_bytes=100)
BUSY = Status(
    daemon=DAEMON, memory_limit_bytes=100, memory_used_bytes=41, running=3, queued=1,
    models=(
        SlotInfo(name="a", state=SlotState.BUSY, decode_tokens_per_s=50.0),
        SlotInfo(name="b", state=SlotState.IDLE),
        SlotInfo(name="c", state=SlotState.CRASHED),
        SlotInfo(name="d", state=SlotState.LOADING),
        SlotInfo(name="e", state=SlotState.BUSY, decode_tokens_per_s=6.2),
    ),
)  # fmt: skip


def used(size_bytes: int, level: MemoryLevel = MemoryLevel.GREEN) -> Status:
    return msgspec.structs.replace(IDLE, memory_used_bytes=size_bytes, memory=MemoryStatus(level=level))


def test_what_it_says() -> None:
    assert bar.line(IDLE, "plain") == "omlx 0%"
    assert bar.line(BUSY, "plain") == "omlx 41% 3 models 1 loading 1 crashed 3+1 req 56 tok/s"
    stuck = msgspec.structs.replace(IDLE, daemon=msgspec.structs.replace(DAEMON, state=DaemonState.STUCK))
    assert bar.line(stuck, "plain") == "omlx 0% stuck"


@pytest.mark.parametrize(
    ("status", "plain", "tmux", "xbar"),
    [
        (None, "omlx off", "#[fg=colour244]omlx off#[default]", "omlx off | color=gray"),
        (used(80), "omlx 80%", "omlx 80%", "omlx 80%"),
        (used(81), "omlx 81%", "#[fg=yellow]omlx 81%#[default]", "omlx 81% | color=yellow"),
        (used(95), "omlx 95%", "#[fg=yellow]omlx 95%#[default]", "omlx 95% | color=yellow"),
        (used(96), "omlx 96%", "#[fg=red]omlx 96%#[default]", "omlx 96% | color=red"),
        (used(1, MemoryLevel.YELLOW), "omlx 1%", "#[fg=yellow]omlx 1%#[default]", "omlx 1% | color=yellow"),
        (used(1, MemoryLevel.RED), "omlx 1%", "#[fg=red]omlx 1%#[default]", "omlx 1% | color=red"),
    ],
)
def test_its_colours(status: Status | None, plain: str, tmux: str, xbar: str) -> None:
    assert [bar.line(status, style) for style in ("plain", "tmux", "xbar")] == [plain, tmux, xbar]


def test_the_command(omlx: Omlx, daemon: StandIn) -> None:
    assert omlx("status", "--bar").out == "omlx 3%\n"
    assert omlx("status", "--bar=tmux").out == "omlx 3%\n"
    assert omlx("status", "--bar", "xbar").out == "omlx 3%\n"
    assert [seen.path for seen in daemon.seen] == [routes.STATUS] * 3
    assert omlx("status", "--bar=dzen").code == 2


def test_a_daemon_that_is_off_is_no_error_and_stays_off(omlx: Omlx) -> None:
    ran = omlx("status", "--bar=xbar")
    assert (ran.code, ran.out, ran.err) == (0, "omlx off | color=gray\n", "")
    assert omlx("status").code == 4


def test_a_daemon_that_refuses_is_an_error(omlx: Omlx, daemon: StandIn) -> None:
    daemon.says("GET", routes.STATUS, refusal(Code.INTERNAL, "no", status=500))
    ran = omlx("status", "--bar")
    assert (ran.code, ran.out) == (1, "")


def test_it_is_as_light_as_the_other_commands(daemon: StandIn) -> None:
    assert not imported_by("status", "--bar") & HEAVY
    assert omlx_process("status", "--bar").out == "omlx 3%\n"
