"""Asks a daemon in chats and hears why it computed what it did."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any

from tests.cachewire.driving import Client

ANSWER_TOKENS = 4
Turn = dict[str, Any]
TOOLS: list[dict[str, Any]] = [
    {
        "type": "function",
        "function": {"name": name, "description": f"to {name} files", "parameters": {"type": "object"}},
    }
    for name in ("write", "read", "list")
]


@dataclass(frozen=True)
class Told:
    """An answer, and what was told of its prompt."""

    request: str
    text: str
    prompt_tokens: int
    computed: int
    header: str
    usage: dict[str, Any]


@dataclass(frozen=True)
class Asking:
    """One daemon and its model."""

    client: Client

    def chat(self, turns: list[Turn], **more: Any) -> Told:
        """Return the answer to a chat."""
        body = {"temperature": 0, "max_tokens": ANSWER_TOKENS, "ignore_eos": True, "messages": turns, **more}
        return self.send("/v1/chat/completions", body)

    def send(self, route: str, body: dict[str, Any]) -> Told:
        """Return the answer to a request."""
        with self.client.send("POST", route, {"model": self.client.model, **body}) as response:
            content = response.read()
            assert response.status == 200, content
            found = json.loads(content)
            headers = response.headers
        usage = found["usage"]
        return Told(
            request=headers["x-request-id"],
            text=found["choices"][0].get("message", {}).get("content") or "",
            prompt_tokens=usage["prompt_tokens"],
            computed=usage["omlx"]["recomputed_tokens"],
            header=headers.get("x-omlx-cache-miss", ""),
            usage=usage["omlx"],
        )

    def explain(self, request: str = "") -> dict[str, Any]:
        """Return what `omlx cache explain` tells."""
        done = self.client.home.run("cache", "explain", *([request] if request else []), "--json")
        assert done.returncode == 0, done.stderr
        found: dict[str, Any] = json.loads(done.stdout)["explanation"]
        return found

    def settle(self) -> None:
        """Wait until all that was computed is on disk, where there is one."""
        if "cold" in self.client.figures():
            self.client.await_written(self.client.figures()["requested_tokens"])


def turn(role: str, content: str, **more: Any) -> Turn:
    """Return a turn of a chat."""
    return {"role": role, "content": content, **more}


def system(topic: str, first: str = "") -> Turn:
    """Return a system turn of a few hundred bytes, its first line as given."""
    rules = "\n".join(f"Rule {n} of {topic}: keep the {n}th promise in mind." for n in range(12))
    return turn("system", f"{first}{rules}")
