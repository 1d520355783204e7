"""Tools, the choice among them, and the form of the answer: from the wire to the core."""

from __future__ import annotations

import msgspec

from omlx_daemon.api.extras import invalid, shallow
from omlx_daemon.api.openai.schema import Body, ChatCompletionBody, NamedTool, ObjectFormat, SchemaFormat
from omlx_daemon.core.requests import ReasoningOptions, ResponseFormat, ToolChoice, ToolMode

NO_FUNCTIONS = "OpenAI has replaced functions; send tools, tool_choice and messages with tool_calls instead"


def tools(body: ChatCompletionBody) -> tuple[dict[str, object], ...]:
    """Return the tools of `body`, each as the core has it. Raises OmlxError(INVALID_REQUEST)."""
    if body.functions:
        raise invalid("functions", NO_FUNCTIONS)
    names = set[str]()
    for place, tool in enumerate(body.tools or ()):
        if tool.function.name in names:
            raise invalid(f"tools[{place}].function.name", f"{tool.function.name!r} is there already")
        names.add(tool.function.name)
        shallow(tool.function.parameters, f"tools[{place}].function.parameters")
    return tuple({"type": tool.type, "function": msgspec.to_builtins(tool.function)} for tool in body.tools or ())


def tool_choice(body: ChatCompletionBody) -> ToolChoice:
    """Return what an answer to `body` does with the tools. Raises OmlxError(INVALID_REQUEST)."""
    if isinstance(body.function_call, dict):
        raise invalid("function_call", NO_FUNCTIONS)
    choice, parallel = body.tool_choice, body.parallel_tool_calls is not False
    if choice is None or choice == "auto":
        return ToolChoice(parallel=parallel)
    if choice == "none":
        return ToolChoice(mode=ToolMode.NONE, parallel=parallel)
    names = [tool.function.name for tool in body.tools or ()]
    if not isinstance(choice, NamedTool):
        if not names:
            raise invalid("tool_choice", "there are no tools to choose from")
        return ToolChoice(mode=ToolMode.REQUIRED, parallel=parallel)
    if choice.function.name not in names:
        raise invalid("tool_choice", f"{choice.function.name!r} is none of the tools")
    return ToolChoice(mode=ToolMode.NAMED, name=choice.function.name, parallel=parallel)


def response_format(body: Body) -> ResponseFormat | None:
    """Return the JSON that an answer to `body` has to be; None where it is free."""
    match body.response_format:
        case ObjectFormat():
            return ResponseFormat()
        case SchemaFormat(json_schema=named):
            return ResponseFormat(schema=named.schema, strict=named.strict is not False)
        case _:
            return None


def reasoning(body: ChatCompletionBody) -> ReasoningOptions:
    """Return what `body` wants of the model's reasoning."""
    return ReasoningOptions(effort=body.reasoning_effort or "")
