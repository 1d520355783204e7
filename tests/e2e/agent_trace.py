"""A recorded agent's conversation as a careless client sends it, turn by turn, in either dialect.

Each request differs from the one before in all that such clients change: a billing header in the system text, a counter
behind the newest tool result alone, the order of the tools, the spelling of their schemas and of earlier arguments. In
the middle of the conversation stands a system message.
"""

from __future__ import annotations

import json
import random
from typing import Any

TURNS = 15
REMINDED_AT = 6
REMINDER = "Plan mode is on: the user does not want files to be changed until further notice."
HEADER = "x-anthropic-billing-header: cc_version=2.1.{n}.a1b; cc_entrypoint=cli; cch={n:05x};"
COUNTER = "<total_tokens>{left} tokens left</total_tokens>"
_TOOLS = {
    "bash": "Run a command in a shell and return what it prints, standard error included.",
    "read": "Return the lines of a file, numbered, from an offset on and no more than a limit.",
    "write": "Write a file whole; a file that is there already has to be read first.",
    "edit": "Replace one exact text in a file by another one; it has to occur exactly once.",
    "search": "Find lines that match a pattern in all files below a directory.",
}
_RULES = (
    "Rule {n}: before touching the {a} look at how the {b} is made, follow the habits of the {a}, and leave the {b} "
    "in a state that others can build on; when in doubt about the {a}, ask rather than guess."
)
_THINGS = ("parser", "lexer", "printer", "loader", "router", "cache", "ledger", "index", "schema", "journal", "planner")
Body = dict[str, Any]


def openai(turn: int) -> Body:
    """Return the body of a turn's request for `/v1/chat/completions`, the first being 1."""
    messages: list[Body] = [{"role": "system", "content": f"{HEADER.format(n=turn)}\n{_rules()}"}, _task()]
    for step in range(1, turn):
        messages += _openai_step(step, turn)
    tools = [{"type": "function", "function": function} for function in _tools(turn, "parameters")]
    return {"messages": messages, "tools": tools}


def anthropic(turn: int) -> Body:
    """Return the body of a turn's request for `/v1/messages`."""
    messages: list[Body] = [_task()]
    for step in range(1, turn):
        messages += _anthropic_step(step, turn)
    system = [{"type": "text", "text": text} for text in (HEADER.format(n=turn), _rules())]
    return {"system": system, "messages": messages, "tools": _tools(turn, "input_schema")}


def _task() -> Body:
    return {"role": "user", "content": "The parser drops the last line of a file. Find out why, and mend it."}


def _openai_step(step: int, turn: int) -> list[Body]:
    identity, name, arguments = _call(step, turn)
    call = {"id": identity, "type": "function", "function": {"name": name, "arguments": arguments}}
    answer = {"role": "assistant", "content": _said(step), "tool_calls": [call]}
    result = {"role": "tool", "tool_call_id": identity, "content": _result(step) + _counter(step, turn)}
    return [answer, result, *([{"role": "system", "content": REMINDER}] if step == REMINDED_AT else [])]


def _anthropic_step(step: int, turn: int) -> list[Body]:
    identity, name, arguments = _call(step, turn)
    call = {"type": "tool_use", "id": identity, "name": name, "input": json.loads(arguments)}
    result = {"type": "tool_result", "tool_use_id": identity, "content": _result(step)}
    counter = [{"type": "text", "text": _counter(step, turn).strip()}] if _counter(step, turn) else []
    answer = {"role": "assistant", "content": [{"type": "text", "text": _said(step)}, call]}
    reminder = [{"role": "system", "content": REMINDER}] if step == REMINDED_AT else []
    return [answer, {"role": "user", "content": [result, *counter]}, *reminder]


def _rules() -> str:
    pairs = ((n, _THINGS[n % 11], _THINGS[(n * 3 + 1) % 11]) for n in range(21))
    return "\n".join(_RULES.format(n=n, a=a, b=b) for n, a, b in pairs)


def _tools(turn: int, schema: str) -> list[Body]:
    chosen = random.Random(turn)
    properties = {"path": {"type": "string"}, "text": {"type": "string"}, "limit": {"type": "integer", "minimum": 1}}
    made = []
    for name, description in chosen.sample(sorted(_TOOLS.items()), len(_TOOLS)):
        parameters = {"type": "object", "properties": _shuffled(properties, chosen), "required": ["path"]}
        made.append(
            _shuffled({"name": name, "description": description, schema: _shuffled(parameters, chosen)}, chosen)
        )
    return made


def _shuffled(value: Body, chosen: random.Random) -> Body:
    return dict(chosen.sample(list(value.items()), len(value)))


def _call(step: int, turn: int) -> tuple[str, str, str]:
    """Return a call's id, its tool, and its arguments as this turn spells them."""
    separators = (",", ":") if turn % 2 else (", ", ": ")
    arguments = json.dumps({"path": f"src/part_{step}.py", "limit": 20 + step}, separators=separators)
    return f"call_{step}", sorted(_TOOLS)[step % len(_TOOLS)], arguments


def _said(step: int) -> str:
    return f"I look at part {step} next."


def _result(step: int) -> str:
    return f"{step}: def part_{step}(lines):\n{step + 1}:     return [line for line in lines if line]"


def _counter(step: int, turn: int) -> str:
    """Return the counter behind the newest result, with the break before it; older results have none."""
    return "\n" + COUNTER.format(left=200_000 - 977 * turn) if step == turn - 1 else ""
