"""Kill -9 of the daemon and its worker while they store: nothing corrupt is served, all that was written is found.

`OMLX_TEST_DAEMON_KILLS=50` kills fifty times, one in ten with real weights.
"""

from __future__ import annotations

import http.client
import os
import random
import signal
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress

import psutil
import pytest

from omlx_daemon.coldstore import blockfile, names
from omlx_daemon.coldstore.names import BLOCK_TOKENS, BlockName
from tests.cachewire.driving import Client, story, until, words

KILLS = int(os.environ.get("OMLX_TEST_DAEMON_KILLS", "6"))
PAUSE_S = 0.05
"""A kill comes at most so long after a file is in its place, and that may be any of them."""


class Storm:
    """Prompts, each stored by a daemon that is killed meanwhile."""

    def __init__(self, client: Client, prompt: Callable[[int], list[int]], answer_tokens: int) -> None:
        self._client, self._prompt, self._answer_tokens = client, prompt, answer_tokens
        self._chance = random.Random(11)
        self.found: list[int] = []
        """For each kill, the tokens that were on disk."""

    def kill(self, number: int) -> None:
        """Kill at a random moment, start again, and ask for what is left."""
        prompt = self._prompt(number)
        files = len(self._client.files()) + self._chance.randrange(len(prompt) // BLOCK_TOKENS + 1)
        with ThreadPoolExecutor(1) as thread:
            asking = thread.submit(self._ask, prompt)
            until(lambda: len(self._client.files()) >= files)
            time.sleep(self._chance.random() * PAUSE_S)
            self._kill_all()
            asking.result()
        stored = self._stored(prompt)
        self._client.load()
        again = self._client.ask(prompt)
        assert (again.hot, again.cold) == (0, min(stored, len(prompt) - 1)), number
        assert again.tokens == self._client.ask(prompt, cache_salt="other", cache_store=False).tokens, number
        figures = self._client.figures()["cold"]
        assert (figures["quarantined"], figures["missing"]) == (0, 0), number
        until(lambda: not any(self._client.cache.glob("kv-v1/**/.tmp-*")))
        self.found.append(stored)

    def _ask(self, prompt: list[int]) -> None:
        body = {"model": self._client.model, "prompt": prompt, "max_tokens": self._answer_tokens, "ignore_eos": True}
        with suppress(OSError, http.client.HTTPException), self._client.send("POST", "/v1/completions", body) as reply:
            reply.read()

    def _kill_all(self) -> None:
        pids = [int(str(self._client.home.info()["pid"])), int(self._client.row["pid"])]
        self._chance.shuffle(pids)
        for pid in pids:
            with suppress(ProcessLookupError):  # a worker whose daemon is gone may be gone too
                os.kill(pid, signal.SIGKILL)
        until(lambda: not any(map(_runs, pids)))

    def _stored(self, prompt: list[int]) -> int:
        """Return how many tokens of the prompt the files hold in one piece; each file of it is sound."""
        position, parent = 0, None
        while block := self._next(prompt[position : position + BLOCK_TOKENS], parent):
            position += min(block.tokens, len(prompt) - position)
            parent = block.hash
        return position

    def _next(self, wanted: list[int], parent: bytes | None) -> BlockName | None:
        """Return the longest block that begins as `wanted` does and follows `parent`."""
        found = []
        for file in self._client.files() if wanted else ():
            name = names.parse(file.name)
            assert name is not None
            if parent is None or parent.startswith(name.parent):
                ids = self._client.ids_of(file)
                if ids[: len(wanted)] == wanted[: len(ids)]:
                    blockfile.read(file.parents[1], name)
                    found.append(name)
        return max(found, key=lambda name: name.tokens, default=None)


def _runs(pid: int) -> bool:
    try:
        return psutil.Process(pid).status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False


@pytest.mark.timeout(120 + 100 * KILLS)
def test_a_killed_daemon_has_what_it_wrote(client: Client) -> None:
    client.load()
    storm = Storm(client, lambda number: story(1900, seed=number), answer_tokens=60)
    for number in range(KILLS):
        storm.kill(number)
        assert client.home.run("cache", "clear", "--yes").returncode == 0
    assert len(set(storm.found)) > 1, storm.found


@pytest.mark.model
@pytest.mark.timeout(180 + 10 * KILLS)
def test_so_it_is_with_real_weights(smollm2: Client) -> None:
    smollm2.load()
    storm = Storm(smollm2, lambda number: words(600, seed=number), answer_tokens=4)
    for number in range(-(-KILLS // 10)):
        storm.kill(number)
