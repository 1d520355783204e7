"""What the commands tell of memory: an estimate, the level and its terms, what doctor says."""

from __future__ import annotations

import json

import msgspec

from omlx_cli.contract import routes
from omlx_cli.contract.api import LoadEstimate, MemoryLevel, MemoryStatus, MemoryTerm, SlotInfo, SlotState
from omlx_cli.contract.errors import Code
from omlx_cli.diagnosis import memory
from omlx_cli.diagnosis.check import Verdict
from tests.cli.conftest import Omlx
from tests.cli.stand_in import StandIn, refusal, reply

GB = 1_000_000_000
TERMS = (
    MemoryTerm(name="limit", size_bytes=8 * GB, note="memory.limit"),
    MemoryTerm(name="used", size_bytes=7 * GB, note="by all workers"),
)
ESTIMATE = LoadEstimate(
    model="smollm2:135m",
    needed_bytes=894_000_000,
    room_bytes=GB,
    fits=True,
    verdict="smollm2:135m would fit",
    need=(
        MemoryTerm(name="weights", size_bytes=600_000_000, note="as stored"),
        MemoryTerm(name="kv", size_bytes=394_000_000, note="one request of 4096 tokens"),
        MemoryTerm(name="measured", size_bytes=-100_000_000),
    ),
    have=TERMS,
)
SHORT = MemoryStatus(
    level=MemoryLevel.RED,
    reasons=("models take 97% of memory.limit",),
    terms=TERMS,
    waiting=("b waits for 2.0 GB: a is busy", "c was refused: it waits for 3.0 GB: a is busy"),
)


def test_an_estimate_is_a_term_a_line(daemon: StandIn, omlx: Omlx) -> None:
    daemon.says("POST", routes.ESTIMATE, reply(ESTIMATE))
    ran = omlx("load", "smollm2", "--estimate-only")
    assert (ran.code, ran.err) == (0, "")
    assert ran.out == (
        "smollm2:135m needs 894 MB:\n"
        "  weights    600 MB  as stored\n"
        "  kv         394 MB  one request of 4096 tokens\n"
        "  measured  -100 MB\n"
        "1.0 GB may be taken:\n"
        "  limit  8.0 GB  memory.limit\n"
        "  used   7.0 GB  by all workers\n"
        "smollm2:135m would fit\n"
    )
    assert daemon.asked(routes.ESTIMATE) == [{"model": "smollm2"}]
    assert daemon.asked(routes.LOAD) == []
    assert json.loads(omlx("load", "smollm2", "--estimate-only", "--json").out)["needed_bytes"] == 894_000_000


def test_an_estimate_that_does_not_fit_is_6_and_says_what_would_help(daemon: StandIn, omlx: Omlx) -> None:
    found = msgspec.structs.replace(ESTIMATE, fits=False, verdict="it would not fit now", advice="omlx unpin a")
    daemon.says("POST", routes.ESTIMATE, reply(found))
    ran = omlx("load", "smollm2", "--estimate-only")
    assert (ran.code, ran.err) == (6, "omlx unpin a\n")
    assert ran.out.endswith("it would not fit now\n")


def test_a_load_that_is_refused_for_memory_is_6(daemon: StandIn, omlx: Omlx) -> None:
    for code, status in ((Code.MEMORY_BUSY, 503), (Code.INSUFFICIENT_MEMORY, 507)):
        daemon.says("POST", routes.LOAD, refusal(code, "a needs 9 GB (weights 9 GB); 1 GB may be taken", status=status))
        ran = omlx("load", "smollm2")
        assert (ran.code, ran.out) == (6, "")
        assert "a needs 9 GB (weights 9 GB); 1 GB may be taken" in ran.err


def test_status_shows_the_level_why_and_who_waits(daemon: StandIn, omlx: Omlx) -> None:
    row = SlotInfo(name="b", state=SlotState.LOADING, waits="waits for 2.0 GB: a is busy")
    daemon.says("GET", routes.STATUS, reply(msgspec.structs.replace(daemon.status(), memory=SHORT, models=(row,))))
    ran = omlx("status")
    assert ran.code == 0
    assert "memory    271 MB of 8.0 GB, red: models take 97% of memory.limit\n" in ran.out
    assert ran.out.endswith("  limit  8.0 GB  memory.limit\n  used   7.0 GB  by all workers\n")
    assert ran.err.count("waits for 2.0 GB") == 1
    assert "c was refused" in ran.err
    assert json.loads(omlx("status", "--json").out)["memory"]["level"] == "red"


def test_doctor_judges_the_daemons_memory(daemon: StandIn) -> None:
    calm = memory.judge(daemon.status())
    assert (calm.verdict, calm.found) == (Verdict.OK, "models take 271 MB of 8.0 GB, green")
    short = memory.judge(msgspec.structs.replace(daemon.status(), memory=SHORT))
    assert short.verdict is Verdict.WARNING
    assert short.found.endswith("red, models take 97% of memory.limit; b waits for 2.0 GB: a is busy")
    yellow = msgspec.structs.replace(SHORT, level=MemoryLevel.YELLOW, waiting=())
    assert memory.judge(msgspec.structs.replace(daemon.status(), memory=yellow)).verdict is Verdict.WARNING


def test_doctor_judges_a_machine_without_a_daemon() -> None:
    assert memory.before(16 * GB, 8 * GB).verdict is Verdict.OK
    assert memory.before(16 * GB, GB).verdict is Verdict.WARNING
