"""The input of a response as items that are given back: each whole, with an id of its own."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

from omlx_daemon.api.extras import invalid
from omlx_daemon.api.responses.parts import text_of
from omlx_daemon.api.responses.replies import ItemPage
from omlx_daemon.api.responses.schema import Item

DEFAULT_LIMIT = 20
MAX_LIMIT = 100
_SAID, _SUMMARY = "message", "summary_text"
_PREFIXES = {
    _SAID: "msg",
    "reasoning": "rs",
    "function_call": "fc",
    "function_call_output": "fco",
    "custom_tool_call": "ctc",
    "custom_tool_call_output": "ctco",
}
"""What ids begin with, by the types that the prompt knows."""


def items_of(given: str | list[Item], name: str, taken: Iterable[str] = ()) -> tuple[Item, ...]:
    """Return the items of an `input` that was read as messages, without what no prompt shows.

    An item keeps its id, unless it is one of those `taken`; others are numbered after `name`.
    """
    items: list[Item] = [{"role": "user", "content": given}] if isinstance(given, str) else given
    used, found = set(taken), []
    for index, item in enumerate(items):
        kind = item.get("type", _SAID)
        identity = item.get("id")
        if not isinstance(identity, str) or not identity or identity in used:
            identity = f"{_PREFIXES[kind]}_{name}_in_{index}"
        used.add(identity)
        found.append({"id": identity, "type": kind, **_MEMBERS[kind](item)})
    return tuple(found)


def page_of(items: Sequence[Item], *, limit: int, order: str, after: str) -> ItemPage:
    """Return `limit` items, the last ones first where `order` is desc, those that come `after` an id.

    Raises OmlxError(INVALID_REQUEST) for a limit out of range, or an id that none of them has.
    """
    if not 1 <= limit <= MAX_LIMIT:
        raise invalid("limit", f"this must be from 1 to {MAX_LIMIT}")
    rows = list(items) if order == "asc" else list(reversed(items))
    ids = [row["id"] for row in rows]
    if after and after not in ids:
        raise invalid("after", f"no item of this response is called {after[:200]!r}")
    rows = rows[ids.index(after) + 1 :] if after else rows
    page = rows[:limit]
    return ItemPage(
        data=page,
        has_more=len(rows) > limit,
        first_id=page[0]["id"] if page else None,
        last_id=page[-1]["id"] if page else None,
    )


def _said(item: Item) -> Item:
    text, role = text_of(item["content"], "content"), item["role"]
    part = {"type": "output_text", "annotations": []} if role == "assistant" else {"type": "input_text"}
    return {"role": role, "content": [{**part, "text": text}], "status": "completed"}


def _called(item: Item) -> Item:
    given = "input" if item["type"] == "custom_tool_call" else "arguments"
    space = {} if item.get("namespace") is None else {"namespace": item["namespace"]}
    return {**_only(item, "call_id", "name", given), **space, "status": "completed"}


def _gave(item: Item) -> Item:
    return {"call_id": item["call_id"], "output": text_of(item["output"], "output"), "status": "completed"}


def _thought(item: Item) -> Item:
    summary = [{"type": _SUMMARY, "text": text_of([part], _SUMMARY)} for part in item.get("summary", ())]
    found: Item = {"summary": summary}
    if item.get("content"):
        found["content"] = [{"type": "reasoning_text", "text": text_of(item["content"], "content")}]
    if item.get("encrypted_content"):
        found["encrypted_content"] = item["encrypted_content"]
    return found


def _only(item: Item, *names: str) -> dict[str, Any]:
    return {name: item[name] for name in names}


_MEMBERS = {
    _SAID: _said,
    "reasoning": _thought,
    "function_call": _called,
    "function_call_output": _gave,
    "custom_tool_call": _called,
    "custom_tool_call_output": _gave,
}
