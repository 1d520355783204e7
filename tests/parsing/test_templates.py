"""What templates and vocabularies tell, and that mlx-lm takes it the same way."""

from __future__ import annotations

from collections.abc import Callable
from types import SimpleNamespace

import pytest
from mlx_lm import tokenizer_utils

from omlx_daemon.core.templates import read_template

tool_format_of: Callable[[object], str | None] = tokenizer_utils._infer_tool_parser
reasoning_of: Callable[[object], tuple[str | None, ...]] = tokenizer_utils._infer_thinking
QWEN = (
    "{%- if tools %}<tools>{{ tools | tojson }}</tools>{%- endif %}{% for message in messages %}"
    "{{ message.reasoning_content }}<tool_call>{{ tool_call.name }}</tool_call>{% endfor %}"
    "{%- if enable_thinking is defined and enable_thinking is false %}<think>\\n\\n</think>{% endif %}"
)
HARMONY = (
    "{%- set effort = reasoning_effort %}{%- if tools %}{{ tools }}{% endif %}<|channel|>analysis<|message|>"
    "{{ message.thinking }}"
)
TEMPLATES = [
    QWEN,
    "<tool_call>\\n<function=",
    "<tool_call>\n<function=",
    "<minimax:tool_call>",
    "<|tool_call>x<tool_call|>",
    "<start_function_call>",
    "<longcat_tool_call>",
    "<tool_call>{{ x }}<arg_key>",
    "<|tool_list_start|>",
    "<|tool_call_start|>",
    "<|tool_calls_section_begin|>",
    '<function name="x"><param name="y">',
    "[TOOL_CALLS]",
    "<atem:function_calls>",
    "nothing of that kind",
]


class Words(dict[str, int]):
    """A tokenizer that is its vocabulary."""

    def __init__(self, template: str | None, *words: str) -> None:
        super().__init__({word: place for place, word in enumerate(words)})
        self.chat_template = template

    def get_vocab(self) -> dict[str, int]:
        return self

    def encode(self, text: str, **_: object) -> list[int]:
        return [0]


@pytest.mark.parametrize("template", TEMPLATES)
def test_the_tool_format_is_mlx_lms(template: str) -> None:
    assert read_template(template, ()).tool_format == (tool_format_of(SimpleNamespace(
        chat_template=template, get_vocab=dict
    )) or "")  # fmt: skip


@pytest.mark.parametrize(
    "words",
    [
        ("<|open|>", "<|close|>", "<|sep|>", "<|end_of_msg|>"),
        ("<|tool_call_start|>", "<|tool_call_end|>"),
        ("<think>", "</think>"),
        ("<longcat_think>", "</longcat_think>"),
        ("<|think:start|>", "<|think:end|>"),
        ("<|channel>", "<channel|>"),
        ("<think>",),
    ],
)
def test_the_vocabulary_tells_what_it_tells_mlx_lm(words: tuple[str, ...]) -> None:
    from omlx_daemon.worker.parsing.reasoning import reasoning_named

    traits = read_template("", words)
    tokenizer = Words(None, *words)
    assert traits.tool_format == (tool_format_of(tokenizer) or "")
    start, end, *_ = reasoning_of(tokenizer)
    found = reasoning_named(traits.reasoning_format)
    assert ((found.start, found.end) if found else (None, None)) == (start, end)
    assert not traits.reasons


def test_a_template_tells_what_it_takes() -> None:
    traits = read_template(QWEN, ("<think>", "</think>"))
    assert (traits.takes_tools, traits.tool_format, traits.reasoning_format) == (True, "json_tools", "think")
    assert (traits.reasons, traits.switches) == (True, frozenset({"enable_thinking"}))
    assert traits.reasoning_fields == ("reasoning_content",)
    traits = read_template(HARMONY, ())
    assert (traits.takes_tools, traits.tool_format, traits.reasoning_format) == (True, "harmony", "")
    assert (traits.reasons, traits.switches, traits.reasoning_fields) == (
        True,
        frozenset({"reasoning_effort"}),
        ("thinking",),
    )


def test_a_template_without_any_of_it() -> None:
    traits = read_template("{% for message in messages %}{{ message['content'] }}tools{% endfor %}", ("thinking",))
    assert not (traits.takes_tools or traits.tool_format or traits.reasoning_format or traits.reasons)
    assert not (traits.switches or traits.reasoning_fields or traits.call_ids)


def test_the_declared_format_wins() -> None:
    assert read_template(QWEN, (), "qwen3_coder").tool_format == "qwen3_coder"


@pytest.mark.parametrize(
    ("template", "ids"),
    [("{%- if tool_call.id|length != 9 %}", "nine"), ("<|tool_calls_section_begin|>", "numbered"), (QWEN, "")],
)
def test_some_want_ids_of_their_own(template: str, ids: str) -> None:
    assert read_template(template, ()).call_ids == ids
