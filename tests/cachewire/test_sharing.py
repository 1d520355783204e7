"""What one request computes, the next need not: in conversations, at the same time, and after an abort."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import pytest

from tests.cachewire.driving import MODEL, Client, story, until

pytestmark = pytest.mark.model


@pytest.mark.timeout(240)
def test_a_prefix_is_computed_once(client: Client) -> None:
    client.load()
    a_retry_goes_on_where_the_aborted_request_stopped(client)
    two_equal_prompts_at_once_compute_it_once(client)
    a_longer_prompt_goes_on_where_the_shorter_ended(client)
    every_turn_computes_only_what_is_new(client)


def a_retry_goes_on_where_the_aborted_request_stopped(client: Client) -> None:
    prompt = story(800, seed=3)
    body = {"model": MODEL, "prompt": prompt, "max_tokens": 4, "temperature": 0, "stream": True}
    with ThreadPoolExecutor(1) as thread:
        leaving = thread.submit(_leave_once, client, body)
        until(lambda: client.metrics()["models"] and client.figures()["hot"]["parts"] >= 1)
        leaving.result()
    until(lambda: client.call("GET", "/omlx/v1/ps")["models"][0]["running"] == 0)
    computed = client.figures()["hot"]["parts"]
    again = client.ask(prompt, max_tokens=4)
    assert again.hot >= 256
    assert again.hot >= (computed - 1) * 256
    assert again.tokens == client.ask(prompt, max_tokens=4, cache_salt="other", cache_store=False).tokens


def _leave_once(client: Client, body: dict[str, object]) -> None:
    with client.send("POST", "/v1/completions", body) as response:
        response.read(1)
        until(lambda: bool(client.metrics()["models"]) and client.figures()["hot"]["parts"] >= 1)


def two_equal_prompts_at_once_compute_it_once(client: Client) -> None:
    prompt = story(300, seed=4)
    with ThreadPoolExecutor(2) as threads:
        first, second = threads.map(client.ask, (prompt, prompt))
    assert sorted((first.computed, second.computed)) == [1, 300]
    assert first.tokens == second.tokens


def a_longer_prompt_goes_on_where_the_shorter_ended(client: Client) -> None:
    prompt = story(390, seed=5)
    assert client.ask(prompt[:300], max_tokens=1).computed == 300
    longer = client.ask(prompt, max_tokens=1)
    assert longer.hot == 300
    other = client.ask([*prompt[:280], *story(40, seed=6)], max_tokens=1)
    assert other.hot == 280


def every_turn_computes_only_what_is_new(client: Client) -> None:
    messages = [{"role": "system", "content": "You are a ship's cook who answers in one sentence. " * 20}]
    known = 0
    for question in ("What is for dinner?", "And for breakfast?", "Who washes the dishes?"):
        messages.append({"role": "user", "content": question})
        text, found = client.chat(messages, max_tokens=12)
        assert known <= found.hot + 32
        known = found.prompt_tokens
        messages.append({"role": "assistant", "content": text})
