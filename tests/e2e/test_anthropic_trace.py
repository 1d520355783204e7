"""An agent's loop over Anthropic's API: what changes from turn to turn costs no more than what is new."""

from __future__ import annotations

from typing import Any

import anthropic
import pytest

from tests.e2e.conftest import Home

pytestmark = pytest.mark.model
TURNS = 15
BLOCK_TOKENS = 256
RULES = "Read a file before you change it. Run the tests after every change. Say what you did in one sentence. " * 55
TOOLS = [
    {"name": name, "description": f"The tool {name}.", "input_schema": {"type": "object", "properties": {"path": {}}}}
    for name in ("Read", "Write", "Run")
]


def body(turn: int, talk: list[dict[str, Any]]) -> dict[str, Any]:
    """Return the request of one turn; header, counter and the order of the tools change with each."""
    return {
        "model": "smollm2",
        "max_tokens": 8,
        "temperature": 0,
        "system": [
            {"type": "text", "text": f"x-anthropic-billing-header: cc_version=2.1.{turn}; cch={turn * 7919:05x};"},
            {"type": "text", "text": RULES, "cache_control": {"type": "ephemeral"}},
            {"type": "text", "text": f"{150_000 - turn * 1234} tokens remaining"},
        ],
        "tools": TOOLS[turn % 3 :] + TOOLS[: turn % 3],
        "messages": talk,
    }


def answered(turn: int, said: str) -> list[dict[str, Any]]:
    """Return what a turn adds to the conversation: the answer with a call, its result, at times a system message."""
    call = {"type": "tool_use", "id": f"toolu_{turn}", "name": "Read", "input": {"path": f"/project/{turn}.py"}}
    text = [{"type": "text", "text": said}] if said else []
    counter = f"<system-reminder>Token usage: {turn * 999}/200000; {200_000 - turn * 999} remaining</system-reminder>"
    result = f"def f{turn}():\n    return {turn}\n" * 5
    told: list[dict[str, Any]] = [
        {"role": "assistant", "content": [*text, call]},
        {
            "role": "user",
            "content": [
                {"type": "tool_result", "tool_use_id": call["id"], "content": f"{result}\n{counter}"},
                {"type": "text", "text": "Go on."},
            ],
        },
    ]
    return [*told, {"role": "system", "content": "The user is on another branch now."}] if turn == 7 else told


@pytest.mark.timeout(300)
def test_every_turn_computes_what_is_new_and_a_block_at_most(served: Home) -> None:
    talk: list[dict[str, Any]] = [{"role": "user", "content": "Why do the tests fail?"}]
    before = 0
    with anthropic.Anthropic(base_url=served.base_url, api_key="unused", max_retries=0) as sdk:
        for turn in range(TURNS):
            reply = sdk.post("/v1/messages", body=body(turn, talk), cast_to=anthropic.types.Message)
            own = reply.usage.model_dump()["omlx"]
            length = own["input_tokens"]
            computed = length - own["cached_hot_tokens"] - own["cached_cold_tokens"]
            assert length > 1000
            assert turn == 0 or computed <= length - before + BLOCK_TOKENS, f"turn {turn}: {computed} of {length}"
            before = length
            talk += answered(turn, "".join(block.text for block in reply.content if block.type == "text"))
