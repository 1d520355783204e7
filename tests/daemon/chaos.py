"""Clients that ask for all sorts of things, leave, cancel and lose their worker; each outcome is judged."""

from __future__ import annotations

import contextlib
import http.client
import json
import random
import socket
from dataclasses import dataclass
from typing import Any

from omlx_cli.contract import routes

PRIORITIES = ("interactive", "normal", "batch")
FATES = ("answered", "answered", "answered", "leaves", "cancels", "hurries")
CLEAN = {"worker_crashed", "cancelled", "timeout", "queue_full", "memory_busy", "load_failed"}
"""Errors that a request may end with when workers die."""


@dataclass(frozen=True)
class Wish:
    """One request, drawn from its number."""

    body: dict[str, Any]
    path: str
    fate: str
    patience: int
    """Lines of the answer that are read before the client leaves or cancels."""

    @classmethod
    def of(cls, number: int, model: str) -> Wish:
        draw = random.Random(number)
        text = "".join(draw.choices("abcdefgh ", k=draw.choice([1, 20, 200, 900])))
        chat = draw.random() < 0.5
        body: dict[str, Any] = {
            "model": model,
            "stream": draw.random() < 0.7,
            "max_tokens": draw.choice([1, 8, 30, 80]),
            "n": draw.choice([1, 1, 1, 2]),
            "priority": draw.choice(PRIORITIES),
            "ignore_eos": True,
            **({"messages": [{"role": "user", "content": text}]} if chat else {"prompt": text}),
        }
        fate = draw.choice(FATES)
        if fate == "hurries":
            body["deadline_s"] = draw.choice([0.01, 0.1, 0.5])
        if fate == "cancels":
            body["stream"] = True
        return cls(body, routes.CHAT_COMPLETIONS if chat else routes.COMPLETIONS, fate, draw.choice([0, 1, 5]))


def play(address: str, wish: Wish) -> str:
    """Send one request to its end, whichever that is; return it in a word. Raises AssertionError for a bad one."""
    connection = http.client.HTTPConnection(address, timeout=90)
    try:
        connection.request("POST", wish.path, json.dumps(wish.body), {"content-type": "application/json"})
        if wish.fate == "leaves" and wish.patience == 0:
            return "left"
        response = connection.getresponse()
        if response.status != 200:
            return _refused(response.status, response.read())
        if wish.body["stream"]:
            return _streamed(address, wish, response)
        return _whole(wish, json.loads(response.read()))
    finally:
        _hang_up(connection)


def _hang_up(connection: http.client.HTTPConnection) -> None:
    if connection.sock is not None:
        with contextlib.suppress(OSError):
            connection.sock.shutdown(socket.SHUT_RDWR)
    connection.close()


def _refused(status: int, content: bytes) -> str:
    error = json.loads(content)["error"]
    assert error["code"] in CLEAN, error
    assert error["message"], error
    assert status >= 429, (status, error)
    return str(error["code"])


def _whole(wish: Wish, reply: dict[str, Any]) -> str:
    assert [choice["index"] for choice in reply["choices"]] == list(range(wish.body["n"]))
    assert {choice["finish_reason"] for choice in reply["choices"]} == {"length"}
    return "answered"


def _streamed(address: str, wish: Wish, response: http.client.HTTPResponse) -> str:
    """Read a stream; it has one end: `[DONE]` after each choice's reason, or one error."""
    events: list[Any] = []
    lines = 0
    while line := response.readline():
        lines += 1
        if line.startswith(b"data: "):
            data = line.removeprefix(b"data: ").strip()
            events.append("done" if data == b"[DONE]" else json.loads(data))
        if lines == wish.patience + 1 and wish.fate == "leaves":
            return "left"
        if lines == wish.patience + 1 and wish.fate == "cancels":
            _cancel(address, response.headers["x-request-id"])
    errors = [event for event in events if isinstance(event, dict) and "error" in event]
    if errors:
        assert events[-1:] == errors, events[-3:]
        assert errors[0]["error"]["code"] in CLEAN, errors
        return str(errors[0]["error"]["code"])
    assert events[-1:] == ["done"], (wish, events[-3:])
    reasons = [
        (choice["index"], choice["finish_reason"])
        for event in events[:-1]
        for choice in event["choices"]
        if choice["finish_reason"]
    ]
    assert sorted(reasons) == [(index, "length") for index in range(wish.body["n"])]
    return "answered"


def _cancel(address: str, request_id: str) -> None:
    connection = http.client.HTTPConnection(address, timeout=90)
    try:
        connection.request("DELETE", f"{routes.REQUESTS}/{request_id}")
        assert connection.getresponse().status in (200, 404)
    finally:
        connection.close()
