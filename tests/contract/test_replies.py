"""Replies of other versions are understood: unknown fields are ignored, missing ones have defaults."""

from __future__ import annotations

import msgspec

from omlx_cli.contract.api import (
    DaemonInfo,
    Health,
    PsReply,
    PullDone,
    PullEvent,
    PullProgress,
    SlotInfo,
    SlotState,
    Status,
)
from omlx_cli.contract.errors import MEANINGS, Code, ErrorBody, OmlxError

HEALTH_0_1 = b'{"schema_version":1,"version":"0.1.0","prefix":"/opt/omlx","pid":1,"start_id":"a"}'
PS_LATER = b'{"schema_version":2,"models":[{"name":"m","state":"idle","colour":"red"}],"more":1}'


def test_an_older_reply_is_filled_with_defaults() -> None:
    assert msgspec.json.decode(HEALTH_0_1, type=Health).protocol == 1


def test_a_later_reply_is_read_without_what_is_new() -> None:
    assert msgspec.json.decode(PS_LATER, type=PsReply).models[0].name == "m"


def test_every_struct_survives_its_own_json() -> None:
    daemon = DaemonInfo(version="0.1.0", pid=1, start_id="a", prefix="/opt", home="/h", socket="/h/s")
    status = Status(daemon=daemon, models=(SlotInfo(name="m", state=SlotState.LOADING, loading=0.5),))
    assert msgspec.json.decode(msgspec.json.encode(status), type=Status) == status


def test_pull_events_are_told_apart() -> None:
    event = PullProgress(step="download", done_bytes=1, total_bytes=2)
    assert msgspec.json.decode(msgspec.json.encode(event), type=PullEvent) == event
    assert PullDone.__struct_config__.tag == "done"


def test_every_code_has_a_meaning() -> None:
    assert set(MEANINGS) == set(Code)


def test_an_error_survives_the_wire() -> None:
    body = ErrorBody(code=Code.QUEUE_FULL, message="m", retry_after_s=1.5)
    assert OmlxError.of(msgspec.json.decode(msgspec.json.encode(body), type=ErrorBody)).body == body
