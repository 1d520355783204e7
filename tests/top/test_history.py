"""What is remembered, and that it is bounded."""

from __future__ import annotations

import msgspec

from omlx_cli.contract.api import RequestPhase
from omlx_cli.contract.live import Happening, HappeningKind, Snapshot
from omlx_cli.top import history
from omlx_cli.top.history import History
from tests.top.scripted import CACHE, REQUESTS, SNAPSHOT, at, crowd, daemon


def later(seconds: float, **parts: object) -> Snapshot:
    return msgspec.structs.replace(SNAPSHOT, at=at(seconds), happenings=(), **parts)


def event(number: int, request: str = "", message: str = "done") -> Happening:
    return Happening(number=number, at=at(number), kind=HappeningKind.FINISHED, message=message, request=request)


def test_one_sample_a_second_and_none_made_up_in_a_gap() -> None:
    kept = History()
    for tenth in range(31):
        kept.take(later(tenth / 10))
    assert kept.series("decode_tokens_per_s") == [142.6] * 4
    kept.take(later(8))
    assert kept.series("decode_tokens_per_s") == [142.6] * 4 + [0.0] * 4 + [142.6]


def test_reused_tokens_are_those_of_the_second() -> None:
    kept = History()
    kept.take(later(0))
    more = msgspec.structs.replace(CACHE.tiers[0], reused_tokens=CACHE.tiers[0].reused_tokens + 500)
    kept.take(later(1, cache=msgspec.structs.replace(CACHE, tiers=(more, CACHE.tiers[1]))))
    assert kept.series("reused_tokens") == [0, 500]


def test_what_a_new_snapshot_repeats_is_logged_once() -> None:
    kept = History()
    kept.take(SNAPSHOT)
    kept.take(SNAPSHOT)
    kept.note(SNAPSHOT.happenings[-1])
    assert [one.number for one in kept.log] == [1, 2, 3, 4, 5, 6]


def test_a_new_daemon_counts_from_one_again() -> None:
    kept = History()
    kept.take(SNAPSHOT)
    kept.take(later(5, daemon=daemon("two"), requests=()))
    kept.note(event(1, message="of the second daemon"))
    assert kept.log[-1].message == "of the second daemon"
    assert len(kept.log) == len(SNAPSHOT.happenings) + 1
    assert {course.steps[-1].what for course in kept.courses.values()} == {"lost with the daemon"}


def test_the_course_of_a_request() -> None:
    kept = History()
    row = msgspec.structs.replace(REQUESTS[2], age_s=0.0)
    for seconds, phase in ((0, RequestPhase.QUEUED), (1, RequestPhase.PREFILL), (2, RequestPhase.PREFILL)):
        kept.take(later(seconds, requests=(msgspec.structs.replace(row, phase=phase, age_s=seconds),)))
    kept.take(later(3, requests=(msgspec.structs.replace(row, phase=RequestPhase.DECODE, age_s=3.0, ttft_s=2.5),)))
    kept.note(event(9, row.id, "after 12 tokens"))
    kept.take(later(10, requests=()))
    course = kept.courses[row.id]
    assert [step.what for step in course.steps] == [
        "arrived", "queued", "prefill", "decode", "first token", "after 12 tokens",
    ]  # fmt: skip
    assert [round(step.at_s - course.born_s, 1) for step in course.steps] == [0.0, 0.0, 1.0, 3.0, 2.5, 9.0]


def test_why_a_request_ended_replaces_that_it_did() -> None:
    kept = History()
    kept.take(SNAPSHOT)
    kept.take(later(1, requests=()))
    kept.note(event(9, REQUESTS[0].id, "cancelled by its client"))
    assert kept.courses[REQUESTS[0].id].steps[-1].what == "cancelled by its client"


def test_nothing_grows_for_ever() -> None:
    kept = History()
    number = 0
    for second in range(2000):
        rows = tuple(
            msgspec.structs.replace(row, id=f"req_{second // 10}_{index}", age_s=float(second % 10))
            for index, row in enumerate(crowd(8).requests)
        )
        kept.take(later(second, requests=rows))
        for _ in range(3):
            number += 1
            kept.note(event(number))
    assert len(kept.samples) == history.SPAN_S
    assert len(kept.log) == history.MAX_HAPPENINGS
    assert len(kept.courses) <= history.MAX_ENDED + 8
    assert all(len(course.steps) <= history.MAX_STEPS for course in kept.courses.values())
