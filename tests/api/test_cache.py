"""The cache's routes over a real server: replies, refusals, access, the stream of a verification."""

from __future__ import annotations

import re
from typing import TypeVar

import msgspec
import pytest

from omlx_cli.contract import cache, routes
from omlx_cli.contract.api import Done
from omlx_cli.contract.cache import VerifyDone, VerifyEvent, VerifyFailed, VerifyProgress
from omlx_cli.contract.errors import Code, ErrorReply
from omlx_cli.contract.routes import STREAM_TYPE
from tests.api.cache_port import METRICS, PIN, REPORT, ROWS
from tests.api.serving import JSON, Answer, Served, until

T = TypeVar("T")

READING = [routes.CACHE_STATS, routes.CACHE_LIST, routes.CACHE_PINS, routes.CACHE_METRICS, routes.METRICS]
ACTING = {
    routes.CACHE_PRUNE: {"older_than": "7d"},
    routes.CACHE_CLEAR: {},
    routes.CACHE_VERIFY: {},
    routes.CACHE_PIN: {"label": "agent", "model": "sky", "system": "Be brief."},
    routes.CACHE_UNPIN: {"label": "agent"},
    routes.CACHE_WARM: {"model": "sky", "text": "Once"},
    routes.CACHE_EXPORT: {"model": "sky", "path": "/tmp/sky.omlx"},
    routes.CACHE_IMPORT: {"path": "/tmp/sky.omlx"},
}


def post(served: Served, path: str, reply: type[T], body: object = None, status: int = 200) -> T:
    answer = served.ask_unix("POST", path, body or {})
    assert answer.status == status, answer.text
    return msgspec.json.decode(answer.text, type=reply)


def get(served: Served, path: str, reply: type[T], status: int = 200) -> T:
    answer = served.ask_unix("GET", path)
    assert answer.status == status, answer.text
    return msgspec.json.decode(answer.text, type=reply)


def verified(answer: Answer) -> list[VerifyEvent]:
    assert answer.status == 200, answer.text
    assert answer.headers["content-type"].startswith(STREAM_TYPE)
    return [msgspec.json.decode(line, type=VerifyEvent) for line in answer.text.splitlines()]


def test_reading(served: Served) -> None:
    assert get(served, routes.CACHE_STATS, cache.CacheStats).namespaces == ROWS
    assert get(served, routes.CACHE_PINS, cache.CachePins).pins == (PIN,)
    assert get(served, routes.CACHE_METRICS, cache.CacheMetrics) == METRICS


@pytest.mark.parametrize(
    ("query", "models"),
    [
        ("", ["sky", "org/sky"]),
        ("?model=org%2Fsky", ["org/sky"]),
        ("?incompatible=true", ["org/sky"]),
        ("?model=sky&incompatible=true", []),
    ],
)
def test_ls(served: Served, query: str, models: list[str]) -> None:
    listed = get(served, routes.CACHE_LIST + query, cache.CacheList)
    assert [row.model for row in listed.namespaces] == models


def test_a_query_that_cannot_be_read_is_named(served: Served) -> None:
    body = get(served, f"{routes.CACHE_LIST}?incompatible=maybe", ErrorReply, 400).error
    assert body.code is Code.INVALID_REQUEST
    assert body.message.startswith("incompatible: ")


def test_acting(served: Served) -> None:
    body = cache.PruneBody(older_than="7d", larger_than="1MiB", model="sky", incompatible=True, dry_run=True)
    dry = post(served, routes.CACHE_PRUNE, cache.PruneReport, msgspec.to_builtins(body))
    assert dry == msgspec.structs.replace(REPORT, dry_run=True)
    assert served.cache.calls[-1] == ("prune", body)
    assert post(served, routes.CACHE_CLEAR, cache.PruneReport, {"model": "sky"}) == REPORT
    assert post(served, routes.CACHE_CLEAR, cache.PruneReport) == REPORT
    assert served.cache.calls[-2:] == [("clear", "sky"), ("clear", "")]
    assert post(served, routes.CACHE_PIN, cache.CachePinReply, ACTING[routes.CACHE_PIN]).pin == PIN
    assert post(served, routes.CACHE_UNPIN, Done, {"label": "agent"}).message == "agent is no longer pinned"
    chat: tuple[dict[str, object], ...] = ({"role": "user", "content": "hi"},)
    warm = cache.CacheWarmBody(model="sky", messages=chat)
    assert post(served, routes.CACHE_WARM, cache.CacheWarm, msgspec.to_builtins(warm)).computed_tokens == 4
    assert ("warm", warm) in served.cache.calls
    assert post(served, routes.CACHE_EXPORT, cache.PruneReport, {"model": "sky", "path": "/a/b"}) == REPORT
    assert post(served, routes.CACHE_IMPORT, cache.PruneReport, {"path": "/a/b"}) == REPORT
    assert served.cache.calls[-2:] == [("export", "sky", "/a/b"), ("import", "/a/b")]


IMAGE = {"type": "image_url", "image_url": {"url": "x"}}


def chat(*messages: dict[str, object]) -> dict[str, object]:
    return {"model": "sky", "messages": list(messages)}


def test_a_chat_is_warmed_as_the_chat_route_would_read_it(served: Served) -> None:
    parts = [{"type": "text", "text": "a"}, {"type": "text", "text": "b"}]
    messages = chat({"role": "developer", "content": parts}, {"role": "user", "content": "c", "more": 1})
    post(served, routes.CACHE_WARM, cache.CacheWarm, messages)
    read: tuple[dict[str, object], ...] = ({"role": "system", "content": "ab"}, {"role": "user", "content": "c"})
    assert served.cache.calls[-1] == ("warm", cache.CacheWarmBody(model="sky", messages=read))


@pytest.mark.parametrize(
    ("path", "fields", "status", "code", "words"),
    [
        (routes.CACHE_PRUNE, {}, 400, Code.INVALID_REQUEST, "nothing says what to prune"),
        (routes.CACHE_PRUNE, {"dry_run": True}, 400, Code.INVALID_REQUEST, "nothing says what to prune"),
        (routes.CACHE_PRUNE, {"older_than": "7"}, 400, Code.INVALID_REQUEST, "older_than: '7' is not a duration"),
        (routes.CACHE_PRUNE, {"older_than": "never"}, 400, Code.INVALID_REQUEST, "no block is older than never"),
        (routes.CACHE_PRUNE, {"larger_than": "20%"}, 400, Code.INVALID_REQUEST, "larger_than: '20%'"),
        (routes.CACHE_PRUNE, {"older": "7d"}, 400, Code.INVALID_REQUEST, "older"),
        (routes.CACHE_CLEAR, {"model": "skyy"}, 404, Code.MODEL_NOT_FOUND, "nothing of skyy"),
        (routes.CACHE_VERIFY, {"sample": -1}, 400, Code.INVALID_REQUEST, "sample"),
        (routes.CACHE_VERIFY, {"sample": 404}, 503, Code.CACHE_UNUSABLE, "no cache directory"),
        (routes.CACHE_PIN, {"label": "a", "model": "sky", "system": " "}, 400, Code.INVALID_REQUEST, "system"),
        (routes.CACHE_PIN, {"label": "", "model": "sky", "system": "s"}, 400, Code.INVALID_REQUEST, "label"),
        (routes.CACHE_UNPIN, {"label": "nobody"}, 404, Code.NOT_FOUND, "no pin 'nobody'"),
        (routes.CACHE_WARM, {"model": "sky"}, 400, Code.INVALID_REQUEST, "either text or messages"),
        (routes.CACHE_WARM, {"model": "sky", "text": "a", "messages": [{}]}, 400, Code.INVALID_REQUEST, "either"),
        (routes.CACHE_WARM, {"model": "", "text": "a"}, 400, Code.INVALID_REQUEST, "model"),
        (routes.CACHE_WARM, chat({"role": "wizard", "content": "a"}), 400, Code.INVALID_REQUEST, "messages[0].role: "),
        (routes.CACHE_WARM, chat({"content": "a"}), 400, Code.INVALID_REQUEST, "role: this field is required"),
        (routes.CACHE_WARM, chat({"role": "user"}), 400, Code.INVALID_REQUEST, "a user message needs content"),
        (routes.CACHE_WARM, chat({"role": "user", "content": 3}), 400, Code.INVALID_REQUEST, "messages[0].content: "),
        (routes.CACHE_WARM, chat({"role": "user", "content": [IMAGE]}), 400, Code.INVALID_REQUEST, "only text"),
        (routes.CACHE_EXPORT, {"model": "sky", "path": "a"}, 400, Code.INVALID_REQUEST, "absolute"),
        (routes.CACHE_EXPORT, {"path": "/a"}, 400, Code.INVALID_REQUEST, "model"),
        (routes.CACHE_IMPORT, {"path": "../a"}, 400, Code.INVALID_REQUEST, "absolute"),
        (routes.CACHE_IMPORT, {"path": "/a", "model": "sky"}, 400, Code.INVALID_REQUEST, "knows its own"),
    ],
)
def test_errors_are_the_contracts(
    served: Served, path: str, fields: dict[str, object], status: int, code: Code, words: str
) -> None:
    before = list(served.cache.calls)
    body = post(served, path, ErrorReply, fields, status).error
    assert body.code is code
    assert words in body.message
    assert path == routes.CACHE_CLEAR or served.cache.calls == before


def test_verify_streams_its_progress(served: Served) -> None:
    progress, done = verified(served.ask_unix("POST", routes.CACHE_VERIFY, {"deep": True}))
    assert progress == VerifyProgress(checked=1, total=3)
    assert isinstance(done, VerifyDone)
    assert done.report.damaged == 1


@pytest.mark.parametrize(("sample", "code"), [(13, Code.INTERNAL), (28, Code.CACHE_UNUSABLE)])
def test_a_verification_that_breaks_off_says_so_in_its_last_line(served: Served, sample: int, code: Code) -> None:
    answer = served.ask_unix("POST", routes.CACHE_VERIFY, {"sample": sample})
    last = verified(answer)[-1]
    assert isinstance(last, VerifyFailed)
    assert last.error.code is code
    assert "secret" not in answer.text


def test_a_verification_ends_with_its_client(served: Served) -> None:
    served.cache.verify_closed = False
    connection = served.connect_unix()
    connection.request("POST", routes.CACHE_VERIFY, b'{"sample":99}', JSON)
    assert connection.getresponse().readline()
    connection.close()
    until(lambda: served.cache.verify_closed)


@pytest.mark.parametrize("path", READING)
def test_reading_is_open_over_tcp(served: Served, path: str) -> None:
    assert served.ask("GET", path).status == 200


@pytest.mark.parametrize("path", ACTING)
def test_acting_is_closed_over_tcp_without_a_key(served: Served, path: str) -> None:
    before = list(served.cache.calls)
    assert served.ask("POST", path, ACTING[path]).status == 403
    assert served.cache.calls == before
    assert served.ask_unix("POST", path, ACTING[path]).status == 200


def test_the_routes_are_the_contracts(served: Served) -> None:
    paths = served.ask("GET", "/openapi.json").json["paths"]
    known = {getattr(routes, name) for name in dir(routes) if re.match("CACHE_|METRICS", name)}
    assert known <= set(paths)
