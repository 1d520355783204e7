"""The tools of a request, as a grammar offers them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from omlx_cli.contract.errors import Code, OmlxError
from omlx_daemon.core.requests import ChatPrompt, GenerationRequest, ToolChoice, ToolMode
from omlx_daemon.worker.grammar.schema import MAX_MEMBERS, Schema, check, enforced, preferred, type_of

_NOTHING: dict[str, Any] = {"type": "object", "properties": {}, "additionalProperties": False}

_ANYTHING: dict[str, Any] = {"type": "object"}


@dataclass(frozen=True, slots=True)
class Offer:
    """A tool that may be called, with the schema of its arguments."""

    name: str
    parameters: Mapping[str, Any]
    strict: bool
    field: str

    @property
    def fit(self) -> Mapping[str, Any]:
        """The schema, if it can be worked with; else the names and types in it. Raises OmlxError if strict."""
        try:
            check(self.parameters, self.field)
        except OmlxError:
            if self.strict:
                raise
            return _rough(self.parameters)
        return self.parameters

    @property
    def schema(self) -> Schema:
        """The arguments: kept to in full where the tool is strict, else as far as possible. Raises OmlxError."""
        if self.strict:
            return enforced(self.parameters, self.field)
        return preferred(self.parameters, self.field, _rough(self.parameters))

    def of(self, schema: Mapping[str, Any]) -> Schema:
        """Return a part of the arguments, as strict as the whole. Raises OmlxError."""
        return enforced(schema, self.field) if self.strict else preferred(schema, self.field, type_of(schema))


def offers(request: GenerationRequest) -> tuple[Offer, ...]:
    """Return the tools that a request lets its answer call; none where it lets it call none.

    Raises OmlxError(INVALID_REQUEST) for a choice that no tool satisfies.
    """
    tools = request.prompt.tools if isinstance(request.prompt, ChatPrompt) else ()
    choice = request.tool_choice
    if choice.mode is ToolMode.NONE:
        return ()
    found = tuple(_offer(tool, number) for number, tool in enumerate(tools))
    if choice.mode is ToolMode.NAMED:
        found = tuple(offer for offer in found if offer.name == choice.name)
    if not found and choice.mode is not ToolMode.AUTO:
        raise _no_tool(choice)
    return found


def _offer(tool: Mapping[str, Any], number: int) -> Offer:
    function = tool.get("function")
    found: Mapping[str, Any] = function if isinstance(function, Mapping) else {}
    parameters = found.get("parameters")
    is_given = isinstance(parameters, Mapping) and parameters
    return Offer(
        name=str(found.get("name", "")),
        parameters={"type": "object", **parameters} if isinstance(parameters, Mapping) and is_given else _NOTHING,
        strict=found.get("strict") is True,
        field=f"tools[{number}].function.parameters",
    )


def _rough(schema: Mapping[str, Any]) -> Mapping[str, Any]:
    """Return the schema of an object with nothing but its members' names and types; of any object without those."""
    given, required = schema.get("properties"), schema.get("required", [])
    if (
        not isinstance(given, Mapping)
        or not isinstance(required, list)
        or max(map(len, (given, required))) > MAX_MEMBERS
    ):
        return _ANYTHING
    members = {name: type_of(one) if isinstance(one, Mapping) else {} for name, one in given.items()}
    return {**_ANYTHING, "properties": members, "required": [name for name in required if isinstance(name, str)]}


def _no_tool(choice: ToolChoice) -> OmlxError:
    message = f"no tool is called {choice.name!r}" if choice.mode is ToolMode.NAMED else "there is no tool to call"
    return OmlxError(Code.INVALID_REQUEST, message, param="tool_choice")
