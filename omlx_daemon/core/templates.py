"""What a model's chat template and vocabulary tell of how it is spoken to, and of how it writes its answers."""

from __future__ import annotations

import re
from collections.abc import Container
from typing import NamedTuple

import msgspec

CHANNELS = ("harmony", "muse_spark")
"""Tool formats whose answers are messages with headers; they bring their own way to reason."""


class TemplateTraits(msgspec.Struct, frozen=True, kw_only=True):
    """What a template takes, and what its model writes. Names are those of `worker.parsing`; empty is none."""

    takes_tools: bool = False
    """Whether the prompt shows the model its tools."""
    tool_format: str = ""
    reasoning_format: str = ""
    """Reasoning that an answer may hold."""
    reasons: bool = False
    """Whether the template speaks of reasoning, so that the model is one that reasons."""
    switches: frozenset[str] = frozenset()
    """The arguments by which it turns reasoning on, off, up or down."""
    reasoning_fields: tuple[str, ...] = ()
    """Where it looks for the reasoning of an earlier answer."""
    call_ids: str = ""
    """What it wants the ids of tool calls to look like: `nine` letters or digits, `numbered` by tool, or anything."""


class _Marks(NamedTuple):
    """Marks of a format in a template: it is that format's where all of `every`, or one of `some`, stands in it."""

    name: str
    every: tuple[str, ...] = ()
    some: tuple[str, ...] = ()

    def stand_in(self, template: str) -> bool:
        """Tell whether they do."""
        return bool(self.every and all(mark in template for mark in self.every)) or any(
            mark in template for mark in self.some
        )


_TOOLS = (
    _Marks("minimax_m2", some=("<minimax:tool_call>",)),
    _Marks("gemma4", every=("<|tool_call>", "<tool_call|>")),
    _Marks("function_gemma", some=("<start_function_call>",)),
    _Marks("longcat", some=("<longcat_tool_call>",)),
    _Marks("glm47", some=("<arg_key>",)),
    _Marks("pythonic", some=("<|tool_list_start|>", "<|tool_call_start|>")),
    _Marks("qwen3_coder", some=("<tool_call>\\n<function=", "<tool_call>\n<function=")),
    _Marks("kimi_k2", some=("<|tool_calls_section_begin|>",)),
    _Marks("minicpm5", every=('<function name="', '<param name="')),
    _Marks("mistral", some=("[TOOL_CALLS]",)),
    _Marks("muse_spark", some=("<atem:function_calls>",)),
    _Marks("json_tools", every=("<tool_call>", "tool_call.name")),
    _Marks("harmony", every=("<|channel|>", "<|message|>", "analysis")),
    _Marks("deepseek_v32", some=("\uff5cDSML\uff5c",)),
    _Marks("deepseek_v3", some=("<\uff5ctool\u2581calls\u2581begin\uff5c>",)),
    _Marks("json_tools", every=("<tool_call>", "</tool_call>")),
)
"""The more telling ones first."""

_TOOL_TOKENS = (
    ("kimi_k3", ("<|open|>", "<|close|>", "<|sep|>", "<|end_of_msg|>")),
    ("pythonic", ("<|tool_call_start|>", "<|tool_call_end|>")),
)

_REASONING = (
    ("think", ("<think>", "</think>")),
    ("longcat", ("<longcat_think>", "</longcat_think>")),
    ("think_tokens", ("<|think:start|>", "<|think:end|>")),
    ("seed", ("<seed:think>", "</seed:think>")),
    ("mistral", ("[THINK]", "[/THINK]")),
    ("cohere", ("<|START_THINKING|>", "<|END_THINKING|>")),
    ("gemma4", ("<|channel>", "<channel|>")),
    ("kimi_k3", ("<|open|>", "<|close|>", "<|sep|>", "<|end_of_msg|>")),
)

_PROGRAMS = {
    "deepseek_v32": TemplateTraits(
        takes_tools=True,
        tool_format="deepseek_v32",
        reasoning_format="think",
        reasons=True,
        switches=frozenset({"enable_thinking"}),
        reasoning_fields=("reasoning_content",),
    ),
    "muse_spark": TemplateTraits(takes_tools=True, tool_format="muse_spark", reasons=True),
}
"""What is known of the programs that render chats for models without a template."""

_TAKES_TOOLS = re.compile(r"\{[%{][^{}]*\btools\b")
_SWITCHES = ("enable_thinking", "thinking", "reasoning_effort")
_FIELD = r"""(?:\.{0}\b|\[['"]{0}['"]\]|\bget\(['"]{0}['"]|['"]{0}['"]\s+in\b)"""
_FIELDS = {name: re.compile(_FIELD.format(name)) for name in ("reasoning_content", "reasoning", "thinking")}
_NINE = re.compile(r"length\s*!=\s*9\b")


def read_template(
    template: str, vocabulary: Container[str], declared_tools: str = "", program: str = ""
) -> TemplateTraits:
    """Return what `template` and `vocabulary`, which holds at least the special tokens, tell.

    `declared_tools` is the tool format that the tokenizer's own configuration names, `program` the program that it
    names in the place of a template.
    """
    if program in _PROGRAMS:
        return _PROGRAMS[program]
    tools = declared_tools or _tool_format(template, vocabulary)
    reasoning = "" if tools in CHANNELS else _reasoning_format(template, vocabulary)
    return TemplateTraits(
        takes_tools=bool(_TAKES_TOOLS.search(template)),
        tool_format=tools,
        reasoning_format=reasoning,
        reasons=tools in CHANNELS or _speaks_of(reasoning, template),
        switches=frozenset(name for name in _SWITCHES if _is_read(name, template)),
        reasoning_fields=tuple(name for name, pattern in _FIELDS.items() if pattern.search(template)),
        call_ids="nine" if _NINE.search(template) else "numbered" if tools == "kimi_k2" else "",
    )


def _tool_format(template: str, vocabulary: Container[str]) -> str:
    by_template = next((marks.name for marks in _TOOLS if marks.stand_in(template)), "")
    return by_template or next((name for name, tokens in _TOOL_TOKENS if _all(tokens, vocabulary)), "")


def _reasoning_format(template: str, vocabulary: Container[str]) -> str:
    found = next((name for name, tokens in _REASONING if _all(tokens, vocabulary)), "")
    return found or next((name for name, tokens in _REASONING if all(token in template for token in tokens)), "")


def _speaks_of(reasoning: str, template: str) -> bool:
    tokens = dict(_REASONING).get(reasoning, ())
    return any(token in template for token in tokens)


def _is_read(name: str, template: str) -> bool:
    """Tell whether `name` is a variable of `template`, no message's field and no text."""
    return bool(re.search(rf"\{{[%{{][^{{}}]*(?<![\w.'\"]){name}\b(?!['\"])", template))


def _all(tokens: tuple[str, ...], vocabulary: Container[str]) -> bool:
    return all(token in vocabulary for token in tokens)
