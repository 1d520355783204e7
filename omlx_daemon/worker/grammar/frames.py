"""How tool calls are written, as rules: one way for each format whose calls can be enforced."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from omlx_daemon.worker.grammar.braces import Braces
from omlx_daemon.worker.grammar.members import bare, in_a_row, literal, members
from omlx_daemon.worker.grammar.offers import Offer
from omlx_daemon.worker.grammar.rules import SPACE, Rules
from omlx_daemon.worker.grammar.schema import refused

_KEYWORD = re.compile(r"[^=(),\[\]{}\s]+")
_CALLED = re.compile(r"[^{}\[\]<>:\s]+")
_NUMBER = "/[0-9]{1,4}/"
_NUMBER_QUOTED = '/"[0-9]{1,4}"/'
_DSML = "\uff5cDSML\uff5c"
Call = Callable[[Rules, Offer], str]
"""Returns one call of a tool. Raises OmlxError(INVALID_REQUEST) where its arguments cannot be enforced."""


@dataclass(frozen=True, slots=True)
class Frame:
    """Calls from what they begin with to what they end with: `open`, one or `several` of `call`, `close`."""

    call: Call
    open: str = ""
    """What stands between the format's own beginning and the first call."""
    close: str = ""
    between: str | None = None
    """What stands between two calls of one frame; None where each call has its own."""
    spaced: bool = True
    """Whether white space may stand before the first call."""

    def single(self, rules: Rules, offered: Sequence[Offer]) -> str:
        """Return exactly one call, without what the format begins with. Raises OmlxError as a call does."""
        return self._framed(rules, rules.any_of(self.call(rules, offer) for offer in offered))

    def several(self, rules: Rules, offered: Sequence[Offer]) -> str:
        """Return as many calls as one frame may hold, at least one. Raises OmlxError as a call does."""
        if self.between is None:
            return self.single(rules, offered)
        call = rules.any_of(self.call(rules, offer) for offer in offered)
        between = f"{SPACE}? {rules.literal(self.between)} {SPACE}?" if self.between else f"{SPACE}?"
        return self._framed(rules, rules.all_of(call, f"({between} {call})*"))

    def _framed(self, rules: Rules, inner: str) -> str:
        opening = f"{SPACE}? {rules.literal(self.open)}" if self.open else ""
        closing = f"{SPACE}? {rules.literal(self.close)}" if self.close else ""
        return rules.all_of(opening, f"{SPACE}?" if self.spaced else "", inner, closing)


@dataclass(frozen=True, slots=True)
class Tags:
    """A call with a tag for each argument; `{}` stands for a name."""

    head: str
    key: str
    end: str
    tail: str
    json_key: str = ""
    """The tag of a value that is JSON, where it is another."""
    opening: str = ""
    """What stands between a name's tag and its value."""
    padded: bool = False
    """Whether a value may stand on lines of its own."""

    def __call__(self, rules: Rules, offer: Offer) -> str:
        """Return a call of `offer`, its arguments in the schema's order. Raises OmlxError as a call does."""
        parts = [rules.literal(self.head.format(offer.name))]
        for member in members(offer):
            value = bare(rules, offer, member, self.end, padded=self.padded)
            key = self.json_key if value.is_json and self.json_key else self.key
            opening = f"{SPACE}? {rules.literal(self.opening)}" if self.opening else ""
            argument = f"{SPACE}? {rules.literal(key.format(member.name))} {opening} {value.value}"
            parts.append(rules.all_of(argument) if member.required else f"({argument})?")
        return rules.all_of(*parts, f"{SPACE}?", rules.literal(self.tail))


def _object(rules: Rules, offer: Offer) -> str:
    """Return `{"name": NAME, "arguments": {...}}`."""
    parts = ["{", '"name"', ":", json.dumps(offer.name), ",", '"arguments"', ":"]
    words = f" {SPACE}? ".join(map(rules.literal, parts))
    return rules.all_of(words, f"{SPACE}?", rules.json(offer.schema), f"{SPACE}?", rules.literal("}"))


def _with_json(head: str) -> Call:
    def call(rules: Rules, offer: Offer) -> str:
        return rules.all_of(rules.literal(head.format(offer.name)), f"{SPACE}?", rules.json(offer.schema))

    return call


def _kimi_k2(rules: Rules, offer: Offer) -> str:
    """Return a call whose id counts the conversation's calls."""
    head = f"{rules.literal(f'<|tool_call_begin|>functions.{offer.name}:')} {_NUMBER}"
    arguments, end = rules.literal("<|tool_call_argument_begin|>"), rules.literal("<|tool_call_end|>")
    return rules.all_of(head, f"{SPACE}?", arguments, f"{SPACE}?", rules.json(offer.schema), f"{SPACE}?", end)


def _kimi_k3(rules: Rules, offer: Offer) -> str:
    """Return a call whose arguments are one block of JSON."""
    head = f"{rules.literal(f'<|open|>call tool={json.dumps(offer.name)} index=')} {_NUMBER_QUOTED} "
    opening = rules.literal('<|sep|><|open|>json type="object"<|sep|>')
    end = rules.literal("<|close|>json<|sep|><|close|>call<|sep|>")
    return rules.all_of(head, opening, f"{SPACE}?", rules.json(offer.schema), f"{SPACE}?", end)


def _deepseek_v3(rules: Rules, offer: Offer) -> str:
    """Return a call in the newer way, or in the older one, which fences its arguments."""
    arguments, separator = rules.json(offer.schema), "<\uff5ctool\u2581sep\uff5c>"
    newer = f"{rules.literal(offer.name + separator)} {SPACE}? {arguments}"
    fence = rules.literal(f"function{separator}{offer.name}\n```json\n")
    older = f"{fence} {arguments} {SPACE}? {rules.literal('```')}"
    begin, end = (rules.literal(f"<\uff5ctool\u2581call\u2581{word}\uff5c>") for word in ("begin", "end"))
    return rules.all_of(begin, rules.any_of((newer, older)), f"{SPACE}?", end)


def _pythonic(rules: Rules, offer: Offer) -> str:
    """Return a call as Python writes it, its arguments by name and in the schema's order."""
    found = members(offer)
    if unfit := [name for name in (offer.name, *(member.name for member in found)) if not _KEYWORD.fullmatch(name)]:
        raise refused(f"this model cannot write the name {unfit[0]!r}", offer.field)
    written = [
        (rules.all_of(rules.literal(f"{one.name}="), f"{SPACE}?", literal(rules, offer, one)), one.required)
        for one in found
    ]
    row = in_a_row(rules, written)
    return rules.all_of(rules.literal(f"{offer.name}("), f"{SPACE}?", row, f"{SPACE}?", rules.literal(")"))


def _gemma(quote: str) -> Call:
    def call(rules: Rules, offer: Offer) -> str:
        if not _CALLED.fullmatch(offer.name):
            raise refused(f"this model cannot write the name {offer.name!r}", offer.field)
        return rules.all_of(rules.literal(f"call:{offer.name}"), Braces(rules, offer, quote).arguments())

    return call


def _glm(prefix: str) -> Frame:
    key = f"<{prefix}arg_key>{{}}</{prefix}arg_key>"
    value = f"<{prefix}arg_value>"
    return Frame(Tags("{}", key, f"</{prefix}arg_value>", f"</{prefix}tool_call>", opening=value))


_LIST = Frame(_object, "[", "]", between=",")
_HEADED = Frame(_with_json("{}[ARGS]"))
_FRAMES = {
    "json_tools": Frame(_object, close="</tool_call>"),
    "qwen3_coder": Frame(
        Tags("<function={}>", "<parameter={}>", "</parameter>", "</function>", padded=True), close="</tool_call>"
    ),
    "glm47": _glm(""),
    "laguna": _glm(""),
    "longcat": _glm("longcat_"),
    "minimax_m2": Frame(
        Tags('<invoke name="{}">', '<parameter name="{}">', "</parameter>", "</invoke>"),
        close="</minimax:tool_call>",
        between="",
    ),
    "deepseek_v32": Frame(
        Tags(
            f'<{_DSML}invoke name="{{}}">',
            f'<{_DSML}parameter name="{{}}" string="true">',
            f"</{_DSML}parameter>",
            f"</{_DSML}invoke>",
            json_key=f'<{_DSML}parameter name="{{}}" string="false">',
        ),
        close=f"</{_DSML}function_calls>",
        between="",
    ),
    "minicpm5": Frame(Tags('"{}">', '<param name="{}">', "</param>", "</function>"), spaced=False),
    "kimi_k2": Frame(_kimi_k2, close="<|tool_calls_section_end|>", between=""),
    "kimi_k3": Frame(_kimi_k3, close="<|close|>tools<|sep|>", between=""),
    "deepseek_v3": Frame(_deepseek_v3, close="<\uff5ctool\u2581calls\u2581end\uff5c>", between=""),
    "gemma4": Frame(_gemma('<|"|>'), close="<tool_call|>"),
    "function_gemma": Frame(_gemma("<escape>"), close="<end_function_call>"),
    "pythonic": Frame(_pythonic, "[", "]<|tool_call_end|>", between=","),
    "harmony": Frame(_with_json("functions.{} <|constrain|>json<|message|>"), spaced=False),
}


def frame_named(name: str, rules: Rules) -> Frame | None:
    """Return how the format `name` frames its calls; None where they cannot be enforced."""
    if name == "mistral":
        # The same marker begins both; models that know the newer way have its second marker too.
        return _HEADED if rules.knows("[ARGS]") else _LIST
    return _FRAMES.get(name)
