"""Prompts are made stable on their way to any inference, by the rules that are on for their model."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import msgspec
import pytest

from omlx_cli.contract import settings
from omlx_cli.contract.errors import OmlxError
from omlx_cli.contract.model_options import ModelOptions
from omlx_cli.contract.prompt_rules import PROMPT_RULES
from omlx_daemon.canonical.chosen import ChosenRules
from omlx_daemon.canonical.inference import CanonicalInference
from omlx_daemon.core.errors import model_not_found
from omlx_daemon.core.events import Event, Finished, FinishReason, Usage
from omlx_daemon.core.models import ModelSpec
from omlx_daemon.core.options import Options
from omlx_daemon.core.ports import Inference
from omlx_daemon.core.requests import ChatPrompt, GenerationRequest, Message, Prompt, SystemPrompt, TextPrompt

HEADER = "x-anthropic-billing-header: cc_version=1.{n}; cch={n};\n"
SKY = ModelSpec(name="org/sky", path="", source="", weights_bytes=0, aliases=("sky",))


class Remembering:
    def __init__(self) -> None:
        self.prompts: list[Prompt] = []

    async def generate(self, request: GenerationRequest) -> AsyncIterator[Event]:
        self.prompts.append(request.prompt)
        yield Finished(reason=FinishReason.STOP, usage=Usage())


def resolve(name: str) -> ModelSpec:
    if name not in ("sky", "org/sky"):
        raise model_not_found(name, [])
    return SKY


class Bench:
    def __init__(self, text: str = "") -> None:
        found = settings.parse(text, "config.toml")
        self.inner = Remembering()
        self.chosen = ChosenRules(lambda: found, Options(found.models), resolve)
        self.inference: Inference = CanonicalInference(self.inner, self.chosen)

    def send(self, prompt: Prompt, model: str = "sky") -> Prompt:
        async def run() -> None:
            async for _ in self.inference.generate(GenerationRequest(id="r", model=model, prompt=prompt)):
                pass

        asyncio.run(run())
        return self.inner.prompts[-1]


def chat(n: int) -> ChatPrompt:
    tools: tuple[dict[str, Any], ...] = ({"function": {"name": "b"}}, {"function": {"name": "a"}})
    head = Message(role="system", content=HEADER.format(n=n) + "Be brief.")
    return ChatPrompt(messages=(head, Message(role="user", content="hi")), tools=tools)


def test_the_model_sees_one_prompt_and_rules_are_counted() -> None:
    bench = Bench()
    assert bench.send(chat(1)) == bench.send(chat(2))
    assert {name: count for name, count in bench.chosen.counts().items() if count} == {
        "attribution_header": 2,
        "tools_order": 2,
    }
    rows = bench.chosen.rules().rules
    assert [row.name for row in rows] == [rule.name for rule in PROMPT_RULES]
    assert [row.on for row in rows] == [rule.default for rule in PROMPT_RULES]
    assert next(row for row in rows if row.name == "tools_order").applied == 2


def test_what_is_stable_passes_as_it_is() -> None:
    bench = Bench()
    plain = ChatPrompt(messages=(Message(role="user", content="hi"),))
    assert bench.send(plain) is plain
    text = TextPrompt(text=HEADER)
    assert bench.send(text) is text
    assert not any(bench.chosen.counts().values())


def test_a_pinned_system_text_begins_as_the_chats_do() -> None:
    found = Bench().send(SystemPrompt(system=HEADER.format(n=7) + "Be brief.\n"))
    assert found == SystemPrompt(system="Be brief.")


def test_rules_are_switched_for_all_and_for_one_model() -> None:
    bench = Bench('[prompts]\ntools_order = false\n[models.sky]\nprompt_rules = ["tools_order"]\n')
    own = bench.send(chat(1), "org/sky")
    assert own == msgspec.structs.replace(chat(1), tools=chat(1).tools[::-1])
    other = bench.send(chat(1), "another")
    assert isinstance(other, ChatPrompt)
    assert other.tools == chat(1).tools
    assert other.messages[0].content == "Be brief."
    assert bench.chosen.rules().models == {"sky": ("tools_order",)}
    assert Options({"m": ModelOptions(prompt_rules=())}).prompt_rules() == {"m": ()}


def test_unknown_rules_are_refused_by_name() -> None:
    for text, said in (
        ("[prompts]\ncounter = true\n", "prompts.counter"),
        ('[models.m]\nprompt_rules = ["counter"]\n', "models.\"m\".prompt_rules: 'counter' is none of"),
    ):
        with pytest.raises(OmlxError) as caught:
            settings.parse(text, "config.toml")
        assert said in str(caught.value)
    assert msgspec.structs.asdict(settings.PromptSettings()) == {rule.name: rule.default for rule in PROMPT_RULES}
