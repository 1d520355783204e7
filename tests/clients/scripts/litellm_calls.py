"""What LiteLLM makes of our answers, as JSON: `... PROVIDER BASE_URL`."""

from __future__ import annotations

import json
import sys
from typing import Any

import litellm  # type: ignore[import-not-found]

PROVIDER, BASE_URL = sys.argv[1:]
ASK = [{"role": "user", "content": "Why?"}]
LOOK = {
    "type": "function",
    "function": {"name": "look", "parameters": {"type": "object", "properties": {"at": {"type": "string"}}}},
}


def ask(model: str, **more: object) -> Any:
    return litellm.completion(
        model=f"{PROVIDER}/{model}", messages=ASK, api_base=BASE_URL, api_key="none", max_tokens=64, **more
    )


def refused() -> bool:
    try:
        ask("nothing")
    except litellm.exceptions.NotFoundError:
        return True
    return False


whole, called = ask("sky"), ask("agent", tools=[LOOK])
call = called.choices[0].message.tool_calls[0].function
seen = {
    "whole": whole.choices[0].message.content,
    "prompt_tokens": whole.usage.prompt_tokens,
    "streamed": "".join(piece.choices[0].delta.content or "" for piece in ask("sky", stream=True)),
    "call": [call.name, json.loads(call.arguments)],
    "reasoning": called.choices[0].message.reasoning_content,
    "refused": refused(),
}
sys.stdout.write(json.dumps(seen))
