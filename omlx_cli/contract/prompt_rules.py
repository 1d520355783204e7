"""The rules by which prompts are made stable before a model sees them: names, meanings, what is on unless set."""

from __future__ import annotations

from collections.abc import Collection, Mapping

import msgspec

from omlx_cli.contract.api import Reply


class PromptRule(msgspec.Struct, frozen=True, kw_only=True):
    """One rule."""

    name: str
    """As `[prompts]` spells it."""
    description: str
    default: bool = True


PROMPT_RULES = (
    PromptRule(
        name="attribution_header",
        description="drops x-anthropic-billing-header and its like from the system text: they differ in each request",
    ),
    PromptRule(
        name="token_counter",
        description="drops lines that count the tokens left or used, which clients rewrite at each turn",
    ),
    PromptRule(
        name="clock",
        description="cuts the time of day out of the system text and leaves the date",
        default=False,
    ),
    PromptRule(name="tools_order", description="puts tools in order of their names"),
    PromptRule(name="tools_json", description="writes the keys of tools and of their schemas in one order"),
    PromptRule(
        name="arguments_json",
        description="writes the arguments of earlier tool calls in one spelling; their keys keep their order",
    ),
    PromptRule(
        name="system_in_place",
        description="keeps a system message of the conversation's middle there: as a marked user turn where the "
        "model's template has no place for it",
    ),
    PromptRule(name="whitespace", description="trims white space around system messages and after tool results"),
)


class RuleRow(msgspec.Struct, frozen=True, kw_only=True):
    """One rule as the daemon applies it."""

    name: str
    description: str
    default: bool = True
    on: bool = True
    """As `[prompts]` says; single models may differ."""
    applied: int = 0
    """Prompts that it changed since the daemon started."""


def rows(on: Collection[str], applied: Mapping[str, int] | None = None) -> tuple[RuleRow, ...]:
    """Return every rule, whether it is among those that are `on`, and how many prompts it has changed."""
    counts = applied or {}
    return tuple(
        RuleRow(**msgspec.structs.asdict(rule), on=rule.name in on, applied=counts.get(rule.name, 0))
        for rule in PROMPT_RULES
    )


class RulesReply(Reply, frozen=True, kw_only=True):
    """`GET /omlx/v1/rules`."""

    rules: tuple[RuleRow, ...] = ()
    models: dict[str, tuple[str, ...]] = msgspec.field(default_factory=dict)
    """Models with settings of their own, and the rules that are on for them."""
