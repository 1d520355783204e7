"""The same prompt has the same answer, token for token, wherever its prefix came from."""

from __future__ import annotations

import os
import signal
from concurrent.futures import ThreadPoolExecutor

import pytest

from tests.cachewire.driving import ANSWER_TOKENS, MODEL, Client, Reply, story, until

pytestmark = pytest.mark.model
LENGTHS = (2, 255, 256, 257, 513)
FEW = (2, 257)


def ask(client: Client, length: int) -> Reply:
    """Ask with a prompt that shares nothing with those of other lengths."""
    return client.ask(story(length, seed=length))


def worker_pid(client: Client) -> int:
    (row,) = client.call("GET", "/omlx/v1/ps")["models"]
    return int(row["pid"])


def check(client: Client, first: dict[int, Reply], lengths: tuple[int, ...], tier: str) -> None:
    for length in lengths:
        again = ask(client, length)
        assert again.tokens == first[length].tokens, length
        assert (again.hot, again.cold) == ((length - 1, 0) if tier == "hot" else (0, length - 1)), length


@pytest.mark.timeout(300)
def test_an_answer_does_not_depend_on_where_its_prefix_came_from(client: Client) -> None:
    client.load()
    first = {length: ask(client, length) for length in LENGTHS}
    assert all((reply.hot, reply.cold) == (0, 0) for reply in first.values())
    check(client, first, LENGTHS, "hot")

    client.restart()
    client.await_files(*(length + ANSWER_TOKENS for length in LENGTHS))
    check(client, first, LENGTHS, "cold")
    check(client, first, FEW, "hot")

    client.home.kill()
    client.load()
    check(client, first, FEW, "cold")

    assert client.home.run("unload", MODEL).returncode == 0
    check(client, first, FEW, "cold")

    os.kill(worker_pid(client), signal.SIGKILL)
    until(lambda: not client.call("GET", "/omlx/v1/ps")["models"][0]["pid"])
    check(client, first, FEW, "cold")

    with ThreadPoolExecutor(1) as thread:
        company = thread.submit(client.ask, story(40, seed=1), max_tokens=60, ignore_eos=True)
        until(lambda: client.call("GET", "/omlx/v1/ps")["models"][0]["running"] == 1)
        check(client, first, FEW, "hot")
        assert company.result().computed == 40


def test_salts_share_nothing_and_an_unstored_request_leaves_nothing(client: Client) -> None:
    client.load()
    prompt = story(60)
    assert client.ask(prompt, cache_store=False).computed == 60
    assert client.ask(prompt, cache_salt="a").computed == 60
    assert client.ask(prompt, cache_salt="b", cache_store=False).computed == 60
    assert client.ask(prompt, cache_salt="a").computed == 1
    client.await_files(60 + ANSWER_TOKENS)
