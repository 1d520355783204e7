"""The events of a stream, each with its number in it."""

from __future__ import annotations

import msgspec

from omlx_daemon.api.openai.replies import ChosenReply
from omlx_daemon.api.responses.replies import Output, Part, Response


class StreamEvent(msgspec.Struct, frozen=True, kw_only=True, tag_field="type"):
    """Something that happened to a response."""

    sequence_number: int = 0


class Created(StreamEvent, frozen=True, kw_only=True, tag="response.created"):
    """It begins."""

    response: Response


class InProgress(StreamEvent, frozen=True, kw_only=True, tag="response.in_progress"):
    """It is being worked on."""

    response: Response


class Completed(StreamEvent, frozen=True, kw_only=True, tag="response.completed"):
    """It is complete."""

    response: Response


class Cut(StreamEvent, frozen=True, kw_only=True, tag="response.incomplete"):
    """It ended early."""

    response: Response


class Failure(StreamEvent, frozen=True, kw_only=True, tag="response.failed"):
    """It cannot be completed."""

    response: Response


class ItemAdded(StreamEvent, frozen=True, kw_only=True, tag="response.output_item.added"):
    """An item begins."""

    output_index: int
    item: Output


class ItemDone(StreamEvent, frozen=True, kw_only=True, tag="response.output_item.done"):
    """An item is whole."""

    output_index: int
    item: Output


class _Inside(StreamEvent, frozen=True, kw_only=True):
    """Something that happened to an item."""

    item_id: str
    output_index: int


class PartAdded(_Inside, frozen=True, kw_only=True, tag="response.content_part.added"):
    """A part begins."""

    part: Part
    content_index: int = 0


class PartDone(_Inside, frozen=True, kw_only=True, tag="response.content_part.done"):
    """A part is whole."""

    part: Part
    content_index: int = 0


class TextDelta(_Inside, frozen=True, kw_only=True, tag="response.output_text.delta"):
    """A piece of text."""

    delta: str
    content_index: int = 0
    logprobs: list[ChosenReply] = []


class TextDone(_Inside, frozen=True, kw_only=True, tag="response.output_text.done"):
    """The whole text."""

    text: str
    content_index: int = 0
    logprobs: list[ChosenReply] = []


class ReasoningDelta(_Inside, frozen=True, kw_only=True, tag="response.reasoning_text.delta"):
    """A piece of reasoning."""

    delta: str
    content_index: int = 0


class ReasoningDone(_Inside, frozen=True, kw_only=True, tag="response.reasoning_text.done"):
    """The whole reasoning."""

    text: str
    content_index: int = 0


class ArgumentsDelta(_Inside, frozen=True, kw_only=True, tag="response.function_call_arguments.delta"):
    """A piece of a call's arguments."""

    delta: str


class ArgumentsDone(_Inside, frozen=True, kw_only=True, tag="response.function_call_arguments.done"):
    """A call's whole arguments."""

    arguments: str
    name: str


class InputDelta(_Inside, frozen=True, kw_only=True, tag="response.custom_tool_call_input.delta"):
    """A piece of a custom call's text."""

    delta: str


class InputDone(_Inside, frozen=True, kw_only=True, tag="response.custom_tool_call_input.done"):
    """A custom call's whole text."""

    input: str
