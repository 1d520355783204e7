"""Hurt it, and look that every request ends once and the next one works."""

from __future__ import annotations

import gc
import http.client
import json
import os
import signal
import urllib.request
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import openai
import psutil
import pytest
from openai.types.chat import ChatCompletionMessageParam

from tests.e2e.conftest import Home
from tests.waiting import wait_until

pytestmark = pytest.mark.model
TELL: list[ChatCompletionMessageParam] = [{"role": "user", "content": "Tell me a very long story about a ship."}]


@pytest.fixture
def client(fresh_home: Home) -> Iterator[openai.OpenAI]:
    loaded = fresh_home.run("load", "smollm2")
    assert loaded.returncode == 0, loaded.stderr
    with openai.OpenAI(base_url=f"{fresh_home.base_url}/v1", api_key="unused", max_retries=0) as sdk:
        yield sdk
    # A stream of the SDK's that was left is a cycle, and fails where it is collected while httpx is being imported.
    gc.collect()


def row(home: Home) -> dict[str, object]:
    """Return the model's line of `ps`, asked for without a command: a short answer may be over when that has begun."""
    with urllib.request.urlopen(f"{home.base_url}/omlx/v1/ps", timeout=60) as reply:
        models = json.load(reply)["models"]
    found: dict[str, object] = models[0] if models else {"state": "unloaded", "running": 0, "pid": 0}
    return found


def test_a_killed_worker_gives_one_error_each_and_the_next_request_works(
    fresh_home: Home, client: openai.OpenAI
) -> None:
    def ask(_: int) -> str:
        try:
            client.chat.completions.create(
                model="smollm2", messages=TELL, max_tokens=400, extra_body={"ignore_eos": True}
            )
        except openai.APIStatusError as error:
            return str(error.code)
        return "answered"

    with ThreadPoolExecutor(3) as threads:
        replies = threads.map(ask, range(3))
        wait_until(lambda: row(fresh_home)["running"] == 3)
        os.kill(int(str(row(fresh_home)["pid"])), signal.SIGKILL)
        assert list(replies) == ["worker_crashed"] * 3
    reply = client.chat.completions.create(model="smollm2", messages=TELL, max_tokens=4, temperature=0)
    assert reply.choices[0].message.content


def test_a_killed_worker_ends_a_stream_with_one_error(fresh_home: Home, client: openai.OpenAI) -> None:
    stream = client.chat.completions.create(
        model="smollm2", messages=TELL, max_tokens=400, stream=True, extra_body={"ignore_eos": True}
    )
    seen = 0
    with pytest.raises(openai.APIError) as caught:
        for _ in stream:
            seen += 1
            if seen == 4:
                os.kill(int(str(row(fresh_home)["pid"])), signal.SIGKILL)
    assert caught.value.code == "worker_crashed"


def test_a_client_that_leaves_stops_the_generation(fresh_home: Home, client: openai.OpenAI) -> None:
    stream = client.chat.completions.create(
        model="smollm2", messages=TELL, max_tokens=4000, stream=True, extra_body={"ignore_eos": True}
    )
    next(iter(stream))
    wait_until(lambda: row(fresh_home)["running"] == 1)
    stream.close()
    wait_until(lambda: row(fresh_home)["running"] == 0)


def test_a_client_that_leaves_before_the_first_byte_stops_it_too(fresh_home: Home, client: openai.OpenAI) -> None:
    connection = http.client.HTTPConnection(str(fresh_home.info()["address"]))
    body = json.dumps({"model": "smollm2", "messages": TELL, "max_tokens": 4000, "ignore_eos": True})
    connection.request("POST", "/v1/chat/completions", body, {"Content-Type": "application/json"})
    wait_until(lambda: row(fresh_home)["running"] == 1)
    connection.close()
    wait_until(lambda: row(fresh_home)["running"] == 0)


def test_stop_lets_a_running_request_finish(fresh_home: Home, client: openai.OpenAI) -> None:
    def ask() -> str | None:
        return (
            client.chat.completions.create(
                model="smollm2", messages=TELL, max_tokens=40, extra_body={"ignore_eos": True}
            )
            .choices[0]
            .finish_reason
        )

    with ThreadPoolExecutor(1) as threads:
        reply = threads.submit(ask)
        wait_until(lambda: row(fresh_home)["running"] == 1)
        assert fresh_home.run("stop").returncode == 0
        assert reply.result() == "length"
    assert fresh_home.run("status").returncode == 4


def test_no_worker_outlives_a_killed_daemon(fresh_home: Home, client: openai.OpenAI) -> None:
    worker = int(str(row(fresh_home)["pid"]))
    fresh_home.kill()

    def gone() -> bool:
        try:
            return psutil.Process(worker).status() == psutil.STATUS_ZOMBIE
        except psutil.NoSuchProcess:
            return True

    wait_until(gone)


def test_unload_and_pin_and_ttl_show_in_ps(fresh_home: Home, client: openai.OpenAI) -> None:
    assert row(fresh_home)["pinned"] is False
    assert fresh_home.run("pin", "smollm2").returncode == 0
    assert row(fresh_home)["pinned"] is True
    refused = fresh_home.run("unload", "smollm2")
    assert refused.returncode == 6, refused.stderr
    assert fresh_home.run("unpin", "smollm2").returncode == 0
    assert fresh_home.run("unload", "smollm2").returncode == 0
    assert row(fresh_home)["state"] == "unloaded"
    assert fresh_home.run("load", "smollm2", "--ttl", "1s").returncode == 0
    wait_until(lambda: row(fresh_home)["state"] == "unloaded")
