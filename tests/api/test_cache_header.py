"""`x-omlx-cache`, and the same figures in the usage."""

from __future__ import annotations

import json

import openai
import pytest

from omlx_daemon.api.reuse import Reuse, is_soon, reuse_of, reuse_so_far
from omlx_daemon.core.events import Event, Finished, FinishReason, Prefill, Queued, Text, Usage
from tests.api.serving import JSON, Served

CHAT = "/v1/chat/completions"
ASK = [{"role": "user", "content": "Why is the sky blue?"}]
TOLD = "hot=1 cold=4 recomputed=2"
USAGE = {"cached_hot_tokens": 1, "cached_cold_tokens": 4, "recomputed_tokens": 2}


@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize("path", [CHAT, "/v1/completions"])
def test_every_answer_says_where_its_prompt_came_from(served: Served, path: str, stream: bool) -> None:
    prompt = {"messages": ASK} if path == CHAT else {"prompt": "Once"}
    options = {"stream": True, "stream_options": {"include_usage": True}} if stream else {}
    answer = served.ask("POST", path, {"model": "restored", **prompt, **options})
    assert answer.headers["x-omlx-cache"] == TOLD
    last = json.loads(answer.text.splitlines()[-4].removeprefix("data: ")) if stream else answer.json
    assert last["usage"]["omlx"] == USAGE
    assert last["usage"]["prompt_tokens_details"]["cached_tokens"] == 5


def test_each_prompt_counts_once_whatever_its_choices(served: Served) -> None:
    answer = served.ask("POST", "/v1/completions", {"model": "sky", "prompt": ["a", "b"], "n": 2})
    assert answer.headers["x-omlx-cache"] == "hot=6 cold=0 recomputed=8"
    assert answer.json["usage"]["omlx"]["cached_hot_tokens"] == 6


def test_a_stream_that_waits_in_line_has_no_header(served: Served) -> None:
    answer = served.ask("POST", CHAT, {"model": "prefilling", "messages": ASK, "stream": True})
    assert answer.status == 200
    assert "x-omlx-cache" not in answer.headers


def test_the_header_of_a_stream_does_not_wait_for_ever(served: Served) -> None:
    connection = served.connect()
    body = json.dumps({"model": "starved", "messages": ASK, "stream": True})
    connection.request("POST", CHAT, body, JSON)
    response = connection.getresponse()
    assert (response.status, response.getheader("x-omlx-cache")) == (200, None)
    connection.close()


def test_the_sdk_keeps_the_usage_and_the_header(served: Served) -> None:
    with openai.OpenAI(base_url=f"{served.url}/v1", api_key="none", max_retries=0) as sdk:
        raw = sdk.chat.completions.with_raw_response.create(
            model="restored", messages=[{"role": "user", "content": "hi"}]
        )
        usage = raw.parse().usage
    assert raw.headers["x-omlx-cache"] == TOLD
    assert usage is not None
    assert (usage.model_extra or {})["omlx"] == USAGE


def prefill(hot: int, cold: int, total: int) -> Prefill:
    return Prefill(done_tokens=total, total_tokens=total, cached_hot_tokens=hot, cached_cold_tokens=cold)


def test_what_events_tell() -> None:
    events: list[tuple[int, Event]] = [(0, Queued()), (1, Queued(position=1))]
    assert reuse_so_far(events, 2, 1) is None
    assert is_soon(events, 2)
    events.append((0, prefill(3, 2, 10)))
    assert reuse_so_far(events, 2, 1) is None
    assert is_soon(events, 2)
    whole = Reuse(cached_hot_tokens=3, cached_cold_tokens=2, recomputed_tokens=5)
    assert reuse_so_far(events, 2, 2) == whole
    usage = Usage(prompt_tokens=4, cached_cold_tokens=4)
    events.append((1, Finished(reason=FinishReason.STOP, usage=usage)))
    both = Reuse(cached_hot_tokens=3, cached_cold_tokens=6, recomputed_tokens=5)
    assert reuse_so_far(events, 2, 1) == both
    assert not is_soon(events, 2)
    assert not is_soon([(0, Queued()), (0, Text(text="a"))], 1)
    assert not is_soon([(0, Queued(position=1))], 1)


def test_the_choice_that_found_least_counts() -> None:
    first = Usage(prompt_tokens=9, cached_cold_tokens=5)
    later = Usage(prompt_tokens=9, cached_hot_tokens=8)
    assert reuse_of([later, first], 2) == Reuse(cached_hot_tokens=0, cached_cold_tokens=5, recomputed_tokens=4)
    assert reuse_of([], 1) == Reuse(cached_hot_tokens=0, cached_cold_tokens=0, recomputed_tokens=0)
