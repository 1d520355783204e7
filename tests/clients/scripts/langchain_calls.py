"""What LangChain makes of our answers, as JSON: `... BASE_URL chat|responses`."""

from __future__ import annotations

import json
import sys
from typing import Any

from langchain_core.messages import HumanMessage, ToolMessage  # type: ignore[import-not-found]
from langchain_openai import ChatOpenAI  # type: ignore[import-not-found]

BASE_URL, DIALECT = sys.argv[1:]
LOOK = {
    "type": "function",
    "function": {"name": "look", "parameters": {"type": "object", "properties": {"at": {"type": "string"}}}},
}


def client(model: str) -> Any:
    responses = DIALECT == "responses"
    return ChatOpenAI(model=model, base_url=BASE_URL, api_key="none", max_retries=0, use_responses_api=responses)


called = client("agent").bind_tools([LOOK]).invoke("Why?")
results = [ToolMessage("blue", tool_call_id=call["id"]) for call in called.tool_calls]
seen = {
    "whole": client("sky").invoke("Why?").text,
    "streamed": "".join(piece.text for piece in client("sky").stream("Why?")),
    "call": [called.tool_calls[0]["name"], called.tool_calls[0]["args"]],
    "after": client("sky").bind_tools([LOOK]).invoke([HumanMessage("Why?"), called, *results]).text,
}
sys.stdout.write(json.dumps(seen))
