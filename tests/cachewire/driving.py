"""Asks a daemon and looks at what the cache did."""

from __future__ import annotations

import http.client
import json
import random
import socket
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from omlx_cli.contract.paths import Paths
from omlx_daemon.coldstore import blockfile, metadata, names
from omlx_daemon.coldstore.names import BLOCK_TOKENS
from tests.e2e.conftest import Home

ANSWER_TOKENS = 6
MODEL = "tiny"


def story(length: int, seed: int = 0) -> list[int]:
    """Return token ids that look like nothing in particular, for the random model: it knows bytes alone."""
    return random.Random(seed).choices(range(256), k=length)


def words(length: int, seed: int = 0) -> list[int]:
    """Return such token ids for the real models."""
    return [(n * 2654435761 + seed * 97) % 40000 + 100 for n in range(length)]


def until(condition: Callable[[], object], timeout_s: float = 60) -> None:
    """Poll until `condition` holds."""
    end_s = time.monotonic() + timeout_s
    while not condition():
        assert time.monotonic() < end_s, "it did not happen in time"
        time.sleep(0.02)


@dataclass(frozen=True)
class Reply:
    """An answer, and where its prompt's tokens came from."""

    tokens: list[str]
    prompt_tokens: int
    hot: int
    cold: int

    @property
    def computed(self) -> int:
        return self.prompt_tokens - self.hot - self.cold


@dataclass(frozen=True)
class Client:
    """Speaks with the daemon of a home over its unix socket."""

    home: Home
    model: str = MODEL

    @property
    def cache(self) -> Path:
        return self.home.path / "cache"

    def load(self) -> None:
        done = self.home.run("load", self.model, "--ttl", "never")
        assert done.returncode == 0, done.stderr

    def restart(self) -> None:
        assert self.home.run("stop").returncode == 0
        self.load()

    def ask(self, prompt: list[int], max_tokens: int = ANSWER_TOKENS, **more: object) -> Reply:
        """Complete a prompt greedily, to the full length."""
        body = {"prompt": prompt, "max_tokens": max_tokens, "logprobs": 0, "ignore_eos": True, **more}
        return reply(self.call("POST", "/v1/completions", {"model": self.model, "temperature": 0, **body}))

    def chat(self, messages: list[dict[str, str]], max_tokens: int = ANSWER_TOKENS) -> tuple[str, Reply]:
        """Answer a chat greedily; return the text too."""
        body = {"model": self.model, "temperature": 0, "messages": messages, "max_tokens": max_tokens, "logprobs": True}
        found = self.call("POST", "/v1/chat/completions", body)
        return found["choices"][0]["message"]["content"], reply(found)

    def call(self, method: str, path: str, body: object = None) -> Any:
        """Return the document that a route answers with."""
        with self.send(method, path, body) as response:
            content = response.read()
            assert response.status == 200, content
            return json.loads(content)

    @contextmanager
    def send(self, method: str, path: str, body: object = None) -> Iterator[http.client.HTTPResponse]:
        """Give the response of a route; leaving early hangs up."""
        connection = http.client.HTTPConnection("localhost", timeout=100)
        connection.sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        try:
            connection.sock.settimeout(100)
            connection.sock.connect(str(Paths(self.home.path).socket))
            content = None if body is None else json.dumps(body)
            connection.request(method, path, content, {"content-type": "application/json"} if content else {})
            with connection.getresponse() as response:
                yield response
        finally:
            connection.close()

    def metrics(self) -> dict[str, Any]:
        found: dict[str, Any] = self.call("GET", "/v1/cache/metrics")
        return found

    def figures(self) -> dict[str, Any]:
        """Return the model's figures, those of its tiers by their names."""
        (found,) = self.metrics()["models"]
        return {**found, **{tier["tier"]: tier for tier in found["tiers"]}}

    def files(self) -> list[Path]:
        """Return the block files."""
        while True:
            with suppress(FileNotFoundError):  # a directory went while it was looked through: once more
                return sorted(self.cache.glob("kv-v1/*/??/*.safetensors"))

    def ids_of(self, file: Path) -> list[int]:
        """Return the token ids of a block file's block."""
        name = names.parse(file.name)
        assert name is not None
        with blockfile.open_block(file.parents[1], name) as block:
            ids = metadata.decode(block.header.metadata, name.tokens)
        assert ids is not None
        return list(metadata.unpacked(ids))

    def continues_another(self, file: Path) -> bool:
        """Return whether a block's parent is on disk too."""
        return any(file.name.split("-")[1] == other.name[:16] for other in self.files())

    @property
    def row(self) -> dict[str, Any]:
        """Return the model's line of `ps`."""
        (found,) = self.call("GET", "/omlx/v1/ps")["models"]
        return dict(found)

    def await_written(self, requested_tokens: int) -> None:
        """Wait until the prompts of this daemon, of so many tokens together, and their answers are on disk."""
        until(lambda: self._is_written(requested_tokens))

    def _is_written(self, requested_tokens: int) -> bool:
        row = self.row
        if row["running"] or row["queued"]:
            return False
        # These figures are no older than the idle row: what the last request left behind is in them.
        found = self.figures()
        return bool(found["requested_tokens"] == requested_tokens and not found["cold"]["queued_parts"])

    def await_files(self, *lengths: int) -> None:
        """Wait until sequences of so many tokens are on disk, each in its blocks and a tail."""
        wanted = sum(-(-length // BLOCK_TOKENS) for length in lengths)
        until(lambda: len(self.files()) == wanted)

    def log(self) -> str:
        return (self.home.path / "logs" / "daemon.log").read_text()


def reply(found: dict[str, Any]) -> Reply:
    usage, logprobs = found["usage"], found["choices"][0]["logprobs"]
    tokens = logprobs["tokens"] if "tokens" in logprobs else [one["token"] for one in logprobs["content"]]
    own = usage["omlx"]
    made = Reply(tokens, usage["prompt_tokens"], own["cached_hot_tokens"], own["cached_cold_tokens"])
    assert usage["prompt_tokens_details"]["cached_tokens"] == made.hot + made.cold
    assert own["recomputed_tokens"] == made.computed
    return made
