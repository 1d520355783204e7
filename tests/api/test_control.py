"""The control routes over the unix socket, decoded as the CLI decodes them."""

from __future__ import annotations

import math
from typing import TypeVar

import msgspec
import pytest

from omlx_cli.contract import api, routes
from omlx_cli.contract.errors import Code, ErrorReply
from omlx_cli.contract.routes import STREAM_TYPE
from tests.api.serving import Answer, Served

T = TypeVar("T")


def post(served: Served, path: str, reply: type[T], status: int = 200, **fields: object) -> T:
    answer = served.ask_unix("POST", path, fields)
    assert answer.status == status, answer.text
    return msgspec.json.decode(answer.text, type=reply)


def get(served: Served, path: str, reply: type[T]) -> T:
    return msgspec.json.decode(served.ask_unix("GET", path).text, type=reply)


def pulled(answer: Answer) -> list[api.PullEvent]:
    assert answer.headers["content-type"].startswith(STREAM_TYPE)
    return [msgspec.json.decode(line, type=api.PullEvent) for line in answer.text.splitlines()]


def test_reading(served: Served) -> None:
    assert get(served, routes.STATUS, api.Status).running == 1
    assert get(served, routes.PS, api.PsReply).models[0].name == "sky"
    assert [model.name for model in get(served, routes.MODELS, api.ModelsReply).models] == ["sky", "org/sky", "broken"]
    assert post(served, routes.SHOW, api.ModelDetail, model="sky").config == {"model_type": "llama"}


def test_ps_as_text(served: Served) -> None:
    answer = served.ask_unix("GET", routes.PS, headers={"accept": "text/plain"})
    assert answer.headers["content-type"].startswith("text/plain")
    assert answer.text.splitlines()[0].split() == ["NAME", "SIZE", "STATE", "PINNED", "REQUESTS", "TOK/S", "UNTIL"]
    assert answer.text.splitlines()[1].startswith("sky")


@pytest.mark.parametrize(("ttl", "ttl_s"), [("", None), ("10m", 600.0), ("never", math.inf), ("0", 0.0)])
def test_load(served: Served, ttl: str, ttl_s: float | None) -> None:
    assert post(served, routes.LOAD, api.SlotReply, model="sky", ttl=ttl).model.name == "sky"
    assert served.slots.calls[-1] == ("load", "sky", ttl_s)


def test_an_estimate_loads_nothing(served: Served) -> None:
    before = list(served.slots.calls)
    found = post(served, routes.ESTIMATE, api.LoadEstimate, model="huge")
    assert (found.fits, found.needed_bytes, found.advice) == (False, 90, "use a smaller model")
    assert found.have[0].note == "memory.limit"
    assert post(served, routes.ESTIMATE, api.LoadEstimate, model="sky").fits
    assert served.slots.calls == before


def test_the_status_tells_the_terms_of_memory(served: Served) -> None:
    memory = get(served, routes.STATUS, api.Status).memory
    assert (memory.level, memory.swaps) == (api.MemoryLevel.YELLOW, 2)
    assert memory.waiting == ("moon waits for 5 GB: sky is busy",)


def test_unload_pin_unpin_remove(served: Served) -> None:
    post(served, routes.UNLOAD, api.Done, model="sky", force=True)
    post(served, routes.PIN, api.Done, model="sky")
    post(served, routes.UNPIN, api.Done, model="sky")
    assert served.slots.calls[-3:] == [("unload", "sky", True), ("pin", "sky", True), ("pin", "sky", False)]
    assert post(served, routes.REMOVE, api.Done, model="sky").message == "deleted sky"


@pytest.mark.parametrize(
    ("path", "fields", "status", "code"),
    [
        (routes.SHOW, {"model": "skyy"}, 404, Code.MODEL_NOT_FOUND),
        (routes.REMOVE, {"model": "org/sky"}, 409, Code.IN_USE),
        (routes.UNLOAD, {"model": "pinned"}, 409, Code.PINNED),
        (routes.LOAD, {"model": "huge"}, 507, Code.INSUFFICIENT_MEMORY),
        (routes.LOAD, {"model": "sky", "ttl": "10"}, 400, Code.INVALID_REQUEST),
        (routes.LOAD, {"model": "sky", "tll": "10m"}, 400, Code.INVALID_REQUEST),
        (routes.PIN, {}, 400, Code.INVALID_REQUEST),
        (routes.PULL, {"model": "nowhere"}, 400, Code.INVALID_REQUEST),
        (routes.UNLOAD, {"model": "sky", "force": "yes"}, 400, Code.INVALID_REQUEST),
    ],
)
def test_errors_are_the_contracts(
    served: Served, path: str, fields: dict[str, object], status: int, code: Code
) -> None:
    assert post(served, path, ErrorReply, status, **fields).error.code is code


def test_pull(served: Served) -> None:
    progress, done = pulled(served.ask_unix("POST", routes.PULL, {"model": "sky"}))
    assert progress == api.PullProgress(step="download", done_bytes=5, total_bytes=10)
    assert isinstance(done, api.PullDone)


@pytest.mark.parametrize(("model", "code"), [("broken", Code.PULL_FAILED), ("bug", Code.INTERNAL)])
def test_a_pull_that_fails_says_so_in_its_last_line(served: Served, model: str, code: Code) -> None:
    answer = served.ask_unix("POST", routes.PULL, {"model": model})
    last = pulled(answer)[-1]
    assert isinstance(last, api.PullFailed)
    assert last.error.code is code
    assert "secret" not in answer.text


def test_shutdown_needs_no_body(served: Served) -> None:
    answer = served.ask_unix("POST", routes.SHUTDOWN, headers={})
    assert answer.status == 202
    assert served.daemon.stopping
