"""How tool calls are written, as rules: one way for each format whose calls can be enforced."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from omlx_daemon.worker.grammar.members import bare, members
from omlx_daemon.worker.grammar.offers import Offer
from omlx_daemon.worker.grammar.rules import SPACE, Rules

Call = Callable[[Rules, Offer], str | None]
"""Returns one call of a tool; None where its arguments cannot be enforced."""


@dataclass(frozen=True, slots=True)
class Frame:
    """Calls from what they begin with to what they end with: `open`, one or `several` of `call`, `close`."""

    call: Call
    open: str = ""
    """What stands between the format's own beginning and the first call."""
    close: str = ""
    between: str | None = None
    """What stands between two calls of one frame; None where each call has its own."""

    def single(self, rules: Rules, offered: Sequence[Offer]) -> str | None:
        """Return exactly one call, without what the format begins with; None where it cannot be enforced."""
        call = self._any(rules, offered)
        return None if call is None else self._framed(rules, call)

    def several(self, rules: Rules, offered: Sequence[Offer]) -> str | None:
        """Return as many calls as one frame may hold, at least one."""
        call = self._any(rules, offered)
        if call is None or self.between is None:
            return None if call is None else self._framed(rules, call)
        between = f"{SPACE}? {rules.literal(self.between)} {SPACE}?" if self.between else f"{SPACE}?"
        return self._framed(rules, rules.all_of(call, f"({between} {call})*"))

    def _any(self, rules: Rules, offered: Sequence[Offer]) -> str | None:
        calls = [call for offer in offered if (call := self.call(rules, offer)) is not None]
        return rules.any_of(calls) if len(calls) == len(offered) else None

    def _framed(self, rules: Rules, inner: str) -> str:
        opening = f"{SPACE}? {rules.literal(self.open)}" if self.open else ""
        closing = f"{SPACE}? {rules.literal(self.close)}" if self.close else ""
        return rules.all_of(opening, f"{SPACE}?", inner, closing)


@dataclass(frozen=True, slots=True)
class Tags:
    """A call with a tag for each argument; `{}` stands for a name."""

    head: str
    key: str
    end: str
    tail: str

    def __call__(self, rules: Rules, offer: Offer) -> str | None:
        """Return a call of `offer`, its arguments in the schema's order."""
        found = members(offer)
        if found is None:
            return None
        parts = [rules.literal(self.head.format(offer.name))]
        for member in found:
            value = bare(rules, offer, member, self.end)
            if value is None:
                return None
            argument = f"{SPACE}? {rules.literal(self.key.format(member.name))} {value}"
            parts.append(rules.all_of(argument) if member.required else f"({argument})?")
        return rules.all_of(*parts, f"{SPACE}?", rules.literal(self.tail))


def _object(rules: Rules, offer: Offer) -> str:
    """Return `{"name": NAME, "arguments": {...}}`."""
    parts = ["{", '"name"', ":", json.dumps(offer.name), ",", '"arguments"', ":"]
    words = f" {SPACE}? ".join(map(rules.literal, parts))
    return rules.all_of(words, f"{SPACE}?", rules.json(offer.schema), f"{SPACE}?", rules.literal("}"))


def _with_json(head: str, tail: str = "") -> Call:
    def call(rules: Rules, offer: Offer) -> str:
        ending = f"{SPACE}? {rules.literal(tail)}" if tail else ""
        return rules.all_of(rules.literal(head.format(offer.name)), f"{SPACE}?", rules.json(offer.schema), ending)

    return call


def _numbered(rules: Rules, offer: Offer) -> str:
    """Return Kimi's call, whose id counts the conversation's calls."""
    head = f"{rules.literal(f'<|tool_call_begin|>functions.{offer.name}:')} {rules.pattern('[0-9]{1,4}')}"
    arguments = rules.literal("<|tool_call_argument_begin|>")
    end = rules.literal("<|tool_call_end|>")
    return rules.all_of(head, f"{SPACE}?", arguments, f"{SPACE}?", rules.json(offer.schema), f"{SPACE}?", end)


def _glm(prefix: str) -> Frame:
    key = f"<{prefix}arg_key>{{}}</{prefix}arg_key><{prefix}arg_value>"
    return Frame(Tags("{}", key, f"</{prefix}arg_value>", f"</{prefix}tool_call>"))


_LIST = Frame(_object, "[", "]", between=",")
_HEADED = Frame(_with_json("{}[ARGS]"))
_FRAMES = {
    "json_tools": Frame(_object, close="</tool_call>"),
    "qwen3_coder": Frame(Tags("<function={}>", "<parameter={}>", "</parameter>", "</function>"), close="</tool_call>"),
    "glm47": _glm(""),
    "laguna": _glm(""),
    "longcat": _glm("longcat_"),
    "minimax_m2": Frame(
        Tags('<invoke name="{}">', '<parameter name="{}">', "</parameter>", "</invoke>"),
        close="</minimax:tool_call>",
        between="",
    ),
    "minicpm5": Frame(Tags('"{}">', '<param name="{}">', "</param>", "</function>")),
    "kimi_k2": Frame(_numbered, close="<|tool_calls_section_end|>", between=""),
    "harmony": Frame(_with_json("functions.{} <|constrain|>json<|message|>")),
}


def frame_named(name: str, rules: Rules) -> Frame | None:
    """Return how the format `name` frames its calls; None where they cannot be enforced."""
    if name == "mistral":
        # The same marker begins both; models that know the newer way have its second marker too.
        return _HEADED if rules.knows("[ARGS]") else _LIST
    return _FRAMES.get(name)
