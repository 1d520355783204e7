"""The same prompt has the same answer, token for token, wherever its prefix came from."""

from __future__ import annotations

import os
import signal
from concurrent.futures import ThreadPoolExecutor

import pytest

from omlx_daemon.coldstore.names import BLOCK_TOKENS
from tests.cachewire.driving import ANSWER_TOKENS, Client, Reply, story, until, words

COMPANY_TOKENS = 60
"""Enough to be at work all the while that another is answered, however slow whoever asks for that is."""


class Trial:
    """Prompts of some lengths, which share nothing, and what a model answered when nothing of them was stored."""

    def __init__(self, client: Client, *lengths: int) -> None:
        self._client = client
        self._first: dict[int, Reply] = {}
        for length in lengths:
            reply = self._first[length] = self._ask(length)
            assert (reply.hot, reply.cold) == (0, 0)

    def again(self, tier: str, *lengths: int) -> None:
        """Ask again, for all lengths or for some: the answers are the same and all but one token comes from `tier`."""
        for length in lengths or self._first:
            reply = self._ask(length)
            assert reply.tokens == self._first[length].tokens, length
            assert (reply.hot, reply.cold) == ((length - 1, 0) if tier == "hot" else (0, length - 1)), length

    def in_company(self, length: int) -> None:
        """Ask again while another request is answered."""
        with ThreadPoolExecutor(1) as thread:
            company = thread.submit(self._client.ask, words(40, seed=1), max_tokens=COMPANY_TOKENS)
            until(lambda: self._client.row["running"] == 1)
            self.again("hot", length)
            assert not company.done()
            assert company.result().computed == 40

    @property
    def tokens(self) -> int:
        """How many tokens all the prompts have together."""
        return sum(self._first)

    def retry_after_an_abort(self, *lengths: int) -> None:
        """Hang up while a prompt of another length is computed, and ask again: it goes on where that stopped.

        A machine may be done with a short prompt before it hears of that: then a longer one is tried.
        """
        assert any(self._goes_on(length) for length in lengths), "every prompt was computed to its end"

    def _goes_on(self, length: int) -> bool:
        """Return whether the prompt was stopped on its way."""
        client, prompt = self._client, words(length, seed=length)
        self._first[length] = client.ask(prompt, cache_store=False, cache_salt="other")
        with client.send("POST", "/v1/completions", {"model": client.model, "prompt": prompt, "stream": True}):
            until(lambda: any(client.ids_of(file) == prompt[:BLOCK_TOKENS] for file in client.files()))
        until(lambda: client.row["running"] == 0)
        again = self._ask(length)
        assert again.tokens == self._first[length].tokens
        assert BLOCK_TOKENS <= again.hot < length
        return again.hot < length - 1

    def _ask(self, length: int) -> Reply:
        return self._client.ask(words(length, seed=length))


def crash(client: Client) -> None:
    client.home.kill()
    client.load()


def lose_the_worker(client: Client) -> None:
    os.kill(client.row["pid"], signal.SIGKILL)
    until(lambda: not client.row["pid"])


@pytest.mark.model
@pytest.mark.timeout(600)
def test_an_answer_does_not_depend_on_where_its_prefix_came_from(smollm2: Client) -> None:
    smollm2.load()
    trial = Trial(smollm2, 2, 255, 256, 257, 513)
    trial.again("hot")
    trial.in_company(257)
    trial.retry_after_an_abort(700, 1500, 3000)
    smollm2.restart()
    trial.again("cold")
    trial.again("hot", 513)
    crash(smollm2)
    trial.again("cold", 2, 257)
    assert smollm2.home.run("unload", smollm2.model).returncode == 0
    trial.again("cold", 257)
    lose_the_worker(smollm2)
    trial.again("cold", 257)


@pytest.mark.model
@pytest.mark.timeout(600)
def test_nor_does_it_where_layers_have_windows(gemma3: Client) -> None:
    gemma3.load()
    trial = Trial(gemma3, 257, 511, 514)
    trial.again("hot")
    trial.in_company(514)
    trial.retry_after_an_abort(770, 1500, 3000)
    gemma3.restart()
    trial.again("cold")
    later = Trial(gemma3, 256)
    gemma3.await_written(trial.tokens + later.tokens)
    crash(gemma3)
    later.again("cold")
    trial.again("cold", 514)


def test_salts_share_nothing_and_an_unstored_request_leaves_nothing(client: Client) -> None:
    client.load()
    prompt = story(60)
    assert client.ask(prompt, cache_store=False).computed == 60
    assert client.ask(prompt, cache_salt="a").computed == 60
    assert client.ask(prompt, cache_salt="b", cache_store=False).computed == 60
    assert client.ask(prompt, cache_salt="a").computed == 1
    client.await_files(60 + ANSWER_TOKENS)
