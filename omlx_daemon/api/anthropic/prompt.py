"""Conversations of the wire as prompts of the core."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

import msgspec

from omlx_cli.contract.errors import OmlxError
from omlx_cli.contract.model_options import is_template_kwarg
from omlx_daemon.api import signature
from omlx_daemon.api.anthropic.documents import BETWEEN_BLOCKS, NO_VISION, document_text
from omlx_daemon.api.anthropic.schema import (
    Block,
    ClientTool,
    DocumentBlock,
    ImageBlock,
    InputMessage,
    PromptBody,
    Shown,
    SystemText,
    TextBlock,
    ThinkingBlock,
    ToolResultBlock,
    ToolUseBlock,
)
from omlx_daemon.api.extras import invalid, shallow
from omlx_daemon.core.requests import ChatPrompt, Message

_SCHEMALESS: dict[str, object] = {"type": "object", "properties": {}}


def chat_prompt(body: PromptBody) -> ChatPrompt:
    """Return the prompt in `body`. Raises OmlxError(INVALID_REQUEST) that names the field at fault."""
    turns = [*_system(body.system), *_merged(_turns(body.messages))]
    continues = turns[-1].role == "assistant" if turns else False
    if continues and not turns[-1].content and not turns[-1].tool_calls:
        turns, continues = turns[:-1], False
    if not turns:
        raise invalid("messages", "there is nothing to answer")
    if continues:
        _check_beginning(turns[-1], f"messages[{len(body.messages) - 1}]")
    return ChatPrompt(
        messages=tuple(turns),
        tools=tuple(_tools(body.tools or ())),
        template_kwargs=_template_kwargs(body),
        continues=continues,
    )


def _system(system: str | list[SystemText] | None) -> list[Message]:
    text = system if isinstance(system, str) else _joined(block.text for block in system or ())
    return [Message(role="system", content=text)] if text else []


def _turns(messages: Sequence[InputMessage]) -> Iterator[Message]:
    called: dict[str, str] = {}
    for index, message in enumerate(messages):
        place = f"messages[{index}]"
        blocks = [TextBlock(text=message.content)] if isinstance(message.content, str) else message.content
        if message.role == "assistant":
            turn = _answer(blocks, place)
            called |= {block.id: block.name for block in blocks if isinstance(block, ToolUseBlock)}
            yield turn
        else:
            yield from _asked(message.role, blocks, place, called)


def _answer(blocks: Sequence[Block], place: str) -> Message:
    text, reasoning, calls = [], [], []
    for index, block in enumerate(blocks):
        match block:
            case TextBlock():
                text.append(block.text)
            case ThinkingBlock():
                reasoning.append(block.thinking or signature.omitted_text(block.signature))
            case ToolUseBlock():
                calls.append(_call(block))
            case ToolResultBlock() | DocumentBlock():
                kind = block.__struct_config__.tag
                raise invalid(f"{place}.content[{index}]", f"a {kind} block stands in a user's message")
            case _:
                _refuse_unseen(block, f"{place}.content[{index}]")
    return Message(role="assistant", content="".join(text), reasoning="".join(reasoning), tool_calls=tuple(calls))


def _asked(role: str, blocks: Sequence[Block], place: str, called: dict[str, str]) -> Iterator[Message]:
    """Yield a message's tool results and its texts as turns, in their order; a user's empty message is a turn too."""
    texts: list[str] = []
    for index, block in enumerate(blocks):
        where = f"{place}.content[{index}]"
        if isinstance(block, TextBlock):
            texts.append(block.text)
        elif isinstance(block, DocumentBlock) and role == "user":
            texts.append(document_text(block, where))
        elif isinstance(block, ToolResultBlock) and role == "user":
            yield from _text_turn(role, texts)
            texts = []
            yield _result(block, where, called)
        else:
            _refuse_unseen(block, where)
            raise invalid(where, f"a block of this type does not stand in a {role} message")
    if role == "user" and not any(isinstance(block, ToolResultBlock) for block in blocks):
        yield Message(role=role, content=_joined(texts))
    else:
        yield from _text_turn(role, texts)


def _text_turn(role: str, texts: Sequence[str]) -> Iterator[Message]:
    if text := _joined(texts):
        yield Message(role=role, content=text)


def _result(block: ToolResultBlock, place: str, called: dict[str, str]) -> Message:
    parts = [TextBlock(text=block.content)] if isinstance(block.content, str) else block.content or []
    text = _joined(_shown(part, f"{place}.content[{index}]") for index, part in enumerate(parts))
    if block.is_error:
        text = f"Error: {text}" if text else "Error"
    return Message(role="tool", content=text, name=called.get(block.tool_use_id, ""), tool_call_id=block.tool_use_id)


def _shown(part: Shown, place: str) -> str:
    match part:
        case TextBlock():
            return part.text
        case DocumentBlock():
            return document_text(part, place)
        case _:
            raise _unseen(place)


def _call(block: ToolUseBlock) -> dict[str, object]:
    arguments = msgspec.json.encode(block.input).decode()
    return {"id": block.id, "type": "function", "function": {"name": block.name, "arguments": arguments}}


def _merged(turns: Iterable[Message]) -> Iterator[Message]:
    """Yield `turns` with those of one role in a row made one, as Anthropic reads them."""
    last: Message | None = None
    for turn in turns:
        if last is not None and turn.role == last.role and turn.role in ("user", "assistant") and not last.tool_calls:
            last = _both(last, turn)
            continue
        if last is not None:
            yield last
        last = turn
    if last is not None:
        yield last


def _both(first: Message, second: Message) -> Message:
    own = first.role == "user"
    return msgspec.structs.replace(
        first,
        content=_joined((first.content, second.content)) if own else first.content + second.content,
        reasoning=first.reasoning + second.reasoning,
        tool_calls=second.tool_calls,
    )


def _check_beginning(turn: Message, place: str) -> None:
    """See that an answer can go on from `turn`."""
    if turn.tool_calls:
        raise invalid(place, "an answer cannot go on from a tool call; its tool_result is missing")
    if turn.content != turn.content.rstrip():
        raise invalid(place, "final assistant content cannot end with trailing whitespace")


def _refuse_unseen(block: object, place: str) -> None:
    """Refuse a block that only a model with eyes could read."""
    if isinstance(block, ImageBlock):
        raise _unseen(place)


def _unseen(place: str) -> OmlxError:
    return invalid(place, NO_VISION)


def _tools(tools: Sequence[ClientTool]) -> Iterator[dict[str, object]]:
    names: set[str] = set()
    for index, tool in enumerate(tools):
        if tool.type not in (None, "custom"):
            raise invalid(
                f"tools[{index}].type", f"{tool.type!r} tools are not supported, only those of the client's own"
            )
        if tool.name in names:
            raise invalid(f"tools[{index}].name", f"there are two tools called {tool.name!r}")
        names.add(tool.name)
        shallow([tool.input_schema, tool.input_examples], f"tools[{index}].input_schema")
        yield {"type": "function", "function": _function(tool)}


def _function(tool: ClientTool) -> dict[str, object]:
    schema = tool.input_schema or _SCHEMALESS
    function: dict[str, object] = {"name": tool.name, "description": tool.description or ""}
    function["parameters"] = {**schema, "examples": tool.input_examples} if tool.input_examples else schema
    if tool.strict:
        function["strict"] = True
    return function


def _template_kwargs(body: PromptBody) -> dict[str, object]:
    given: dict[str, object] = dict(body.chat_template_kwargs or {})
    for name in given:
        if not is_template_kwarg(name):
            raise invalid("chat_template_kwargs", f"{name!r} cannot be set")
    return given


def _joined(texts: Iterable[str]) -> str:
    return BETWEEN_BLOCKS.join(text for text in texts if text)
