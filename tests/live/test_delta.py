"""Changes: whoever applies them, one by one or put together, holds what is."""

from __future__ import annotations

from itertools import pairwise
from typing import Any

import msgspec
from hypothesis import given, settings
from hypothesis import strategies as st

from omlx_cli.contract.api import DaemonInfo, DaemonState, RequestInfo, RequestPhase
from omlx_cli.contract.live import Change, Snapshot
from omlx_cli.contract.misses import MissCause, MissInfo
from omlx_cli.top.state import apply
from omlx_daemon.live.delta import Delta, difference, merged
from omlx_daemon.live.moment import timestamp

DAEMON = DaemonInfo(version="1", pid=1, start_id="a", prefix="/p", home="/h", socket="/s")

moments = st.lists(
    st.tuples(
        st.dictionaries(st.sampled_from("abcdef"), st.integers(0, 3), max_size=5),
        st.integers(0, 2), st.integers(0, 2), st.sampled_from(DaemonState),
    ),
    min_size=2, max_size=8,
)  # fmt: skip


def snapshots(told: list[Any]) -> list[Snapshot]:
    """Return what is at each moment, a second apart: rows in order of arrival, of which one can end and come again."""
    found, born = [], dict[str, int]()
    for number, (rows, running, queued, state) in enumerate(told):
        born = {name: at for name, at in born.items() if name in rows}
        born |= {name: number for name in rows if name not in born}
        found.append(
            Snapshot(
                number=number,
                at=timestamp(1_700_000_000.0 + number),
                daemon=msgspec.structs.replace(DAEMON, state=state, uptime_s=float(number)),
                requests=tuple(
                    RequestInfo(
                        id=name, model="m", phase=RequestPhase.DECODE, tokens=rows[name], age_s=float(number - at)
                    )
                    for name, at in born.items()
                ),
                running=running,
                queued=queued,
            )
        )
    return found


def test_a_row_in_which_anything_but_time_differs_is_sent() -> None:
    row = RequestInfo(id="a", model="m", phase=RequestPhase.QUEUED, left_s=5.0)
    before = snapshots([({}, 0, 0, DaemonState.READY)])[0]

    def sent(**parts: object) -> bool:
        pair = [
            msgspec.structs.replace(before, requests=(one,)) for one in (row, msgspec.structs.replace(row, **parts))
        ]
        return bool(difference(*pair).change.requests)

    told: dict[str, object] = {
        "model": "n", "client": "c", "phase": RequestPhase.DECODE, "priority": "batch", "left_s": None,
        "miss": MissInfo(cause=MissCause.COUNTER), "ttft_s": 1.0,
    }  # fmt: skip
    for name in RequestInfo.__struct_fields__:
        if name not in ("id", "age_s"):
            assert sent(**{name: told.get(name, 7)}), name
    assert not sent(age_s=9.0, left_s=1.0)


@settings(max_examples=300, deadline=None)
@given(moments, st.data())
def test_every_way_to_the_last_moment_ends_there(told: list[Any], data: st.DataObject) -> None:
    every = snapshots(told)
    now, pending = every[0], None
    for before, after in pairwise(every):
        delta = difference(before, after)
        pending = delta if pending is None else merged(pending, delta)
        if data.draw(st.booleans()):
            now, pending = apply(now, pending.change), None
    if pending is not None:
        now = apply(now, pending.change)
    assert now == every[-1]


@given(moments)
@settings(deadline=None)
def test_what_was_born_and_died_between_is_not_told(told: list[Any]) -> None:
    every = snapshots(told)
    known = {row.id for row in every[0].requests}
    whole = Delta(Change(number=0, at=every[0].at), frozenset(), every[0])
    for before, after in pairwise(every):
        whole = merged(whole, difference(before, after))
    assert set(whole.change.ended) <= known
    assert len(whole.change.ended) == len(set(whole.change.ended))
    assert {row.id for row in whole.change.requests} <= {row.id for row in every[-1].requests}


def test_time_alone_is_no_change() -> None:
    row = RequestInfo(id="a", model="m", phase=RequestPhase.LOADING, age_s=1.0, left_s=9.0)
    one = Snapshot(at=timestamp(0), daemon=DAEMON, requests=(row,))
    older = msgspec.structs.replace(row, age_s=2.0, left_s=8.0)
    daemon = msgspec.structs.replace(DAEMON, uptime_s=5.0)
    assert difference(one, msgspec.structs.replace(one, daemon=daemon, requests=(older,))).is_empty
    assert not difference(one, msgspec.structs.replace(one, queued=1)).is_empty
