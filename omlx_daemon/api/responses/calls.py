"""Calls of tools as items, and the events that tell of them."""

from __future__ import annotations

from collections.abc import Callable

from msgspec import UNSET

from omlx_daemon.api.responses import events as told
from omlx_daemon.api.responses.events import StreamEvent
from omlx_daemon.api.responses.replies import CallOutput, CustomCallOutput
from omlx_daemon.api.responses.tools import Known, unwrapped
from omlx_daemon.core.events import ToolCall

CallItem = CallOutput | CustomCallOutput


def item_of(call: ToolCall, arguments: str, known: Known, new_id: Callable[[str], str]) -> CallItem:
    """Return the item of a whole call of a tool that is `known`; `new_id` makes an id of a kind."""
    space = known.namespace or UNSET
    if known.is_custom:
        text = unwrapped(arguments)
        return CustomCallOutput(
            id=new_id("ctc"), call_id=call.id, name=known.name, input=text, status="completed", namespace=space
        )
    return CallOutput(
        id=new_id("fc"), call_id=call.id, name=known.name, arguments=arguments, status="completed", namespace=space
    )


def events_of(item: CallItem, at: int) -> list[StreamEvent]:
    """Return the events of an item that came at once, the `at`-th of its response."""
    if isinstance(item, CustomCallOutput):
        empty: CallItem = CustomCallOutput(
            id=item.id, call_id=item.call_id, name=item.name, input="", status="in_progress", namespace=item.namespace
        )
        inside: list[StreamEvent] = [
            told.InputDelta(item_id=item.id, output_index=at, delta=item.input),
            told.InputDone(item_id=item.id, output_index=at, input=item.input),
        ]
    else:
        empty = CallOutput(
            id=item.id, call_id=item.call_id, name=item.name, arguments="", status="in_progress",
            namespace=item.namespace,
        )  # fmt: skip
        inside = [
            told.ArgumentsDelta(item_id=item.id, output_index=at, delta=item.arguments),
            told.ArgumentsDone(item_id=item.id, output_index=at, arguments=item.arguments, name=item.name),
        ]
    return [told.ItemAdded(output_index=at, item=empty), *inside, told.ItemDone(output_index=at, item=item)]
