"""System messages of the middle stay in place whatever the model's template makes of them."""

from __future__ import annotations

from collections.abc import Sequence

import jinja2
import pytest

from omlx_cli.contract.errors import Code, OmlxError
from omlx_daemon.core.requests import ChatPrompt, Message, Prompt
from omlx_daemon.worker.engine.systems import SystemTurns

PLAIN = "{% for m in messages %}<{{ m.role }}>{{ m.content }}</{{ m.role }}>{% endfor %}"
STRICT = (
    "{% for m in messages %}{% if m.role == 'system' and not loop.first %}{{ refuse('system first') }}{% endif %}"
    "<{{ m.role }}>{{ m.content }}</{{ m.role }}>{% endfor %}"
)
ALTERNATING = (
    "{% for m in messages if m.role != 'tool' %}{% if (m.role == 'user') != (loop.index0 % 2 == 0) %}"
    "{{ refuse('roles must alternate') }}{% endif %}{% endfor %}" + PLAIN
)
LOSING = (
    "{% for m in messages %}{% if m.role != 'system' or loop.first %}<{{ m.role }}>{{ m.content }}</{{ m.role }}>"
    "{% endif %}{% endfor %}"
)
HOISTING = (
    "{% for m in messages if m.role == 'system' %}{{ m.content }}{% endfor %}"
    "{% for m in messages if m.role != 'system' %}<{{ m.role }}>{{ m.content }}</{{ m.role }}>{% endfor %}"
)
MARKED = "<system-reminder>\n{}\n</system-reminder>"


class Template:
    def __init__(self, text: str) -> None:
        environment = jinja2.Environment(autoescape=False)
        environment.globals["refuse"] = self._refuse
        self._template = environment.from_string(text)
        self.calls = 0

    def encode_chat(self, prompt: ChatPrompt) -> list[int]:
        self.calls += 1
        messages = [{"role": m.role, "content": m.content} for m in prompt.messages]
        return [ord(letter) for letter in self._template.render(messages=messages)]

    def encode_text(self, text: str) -> list[int]:
        raise AssertionError("no bare text here")

    def decode(self, token_ids: Sequence[int]) -> str:
        return "".join(map(chr, token_ids))

    def _refuse(self, why: str) -> str:
        raise OmlxError(Code.INVALID_REQUEST, why)


def chat(*turns: tuple[str, str], in_place: bool = True) -> ChatPrompt:
    messages = tuple(Message(role=role, content=text) for role, text in turns)
    return ChatPrompt(messages=messages, system_in_place=in_place)


def placed(template: str, prompt: Prompt) -> list[tuple[str, str]]:
    found = SystemTurns(Template(template)).placed(prompt)
    assert isinstance(found, ChatPrompt)
    return [(message.role, message.content) for message in found.messages]


TURNS = [("user", "a"), ("assistant", "b"), ("system", "c"), ("user", "d")]


def test_a_template_that_has_a_place_for_them_gets_them() -> None:
    template = Template(PLAIN)
    turns = SystemTurns(template)
    prompt = chat(*TURNS)
    assert turns.placed(prompt) is prompt
    probed = template.calls
    assert turns.placed(chat(*TURNS, ("assistant", "e"))) is not None
    assert template.calls == probed, "a template is asked once"


@pytest.mark.parametrize("template", [STRICT, ALTERNATING, LOSING, HOISTING])
def test_a_template_that_refuses_loses_or_moves_them_gets_marked_user_turns(template: str) -> None:
    assert placed(template, chat(*TURNS)) == [
        ("user", "a"),
        ("assistant", "b"),
        ("user", f"{MARKED.format('c')}\n\nd"),
    ]
    Template(template).encode_chat(
        ChatPrompt(messages=tuple(Message(role=r, content=t) for r, t in placed(template, chat(*TURNS))))
    )


def test_they_join_the_turn_before_them() -> None:
    mark = MARKED.format
    found = placed(STRICT, chat(("system", "s"), ("user", "a"), ("system", "b"), ("system", "c"), ("assistant", "d")))
    assert found == [("system", "s"), ("user", f"a\n\n{mark('b')}\n\n{mark('c')}"), ("assistant", "d")]
    after_tool = placed(STRICT, chat(("user", "a"), ("assistant", ""), ("tool", "r"), ("system", "b"), ("user", "c")))
    assert after_tool == [("user", "a"), ("assistant", ""), ("tool", f"r\n\n{mark('b')}"), ("user", "c")]


@pytest.mark.parametrize("template", [PLAIN, STRICT, ALTERNATING, LOSING, HOISTING])
def test_a_conversation_goes_on_from_what_was_rendered(template: str) -> None:
    turns: list[tuple[str, str]] = [("system", "head")] if template != ALTERNATING else []
    before: list[tuple[str, str]] = []
    for n in range(4):
        turns += (
            [("user", f"question {n}"), ("system", f"reminder {n}")]
            if n % 2
            else [("system", f"r {n}"), ("user", f"q {n}")]
        )
        now = placed(template, chat(*turns))
        assert now[: len(before)] == before
        turns.append(("assistant", f"answer {n}"))
        before = now


def test_nothing_changes_unless_asked_and_where_the_rule_is_off() -> None:
    prompt = chat(*TURNS, in_place=False)
    assert SystemTurns(Template(STRICT)).placed(prompt) is prompt
