"""The rules in the order in which they are applied."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping

from omlx_cli.contract.prompt_rules import PROMPT_RULES
from omlx_daemon.canonical import places, spelling, volatile
from omlx_daemon.core.requests import ChatPrompt

Apply = Callable[[ChatPrompt], ChatPrompt]

_APPLY: Mapping[str, Apply] = {
    "attribution_header": volatile.attribution_header,
    "token_counter": volatile.token_counter,
    "clock": volatile.clock,
    "whitespace": spelling.whitespace,
    "tools_order": spelling.tools_order,
    "tools_json": spelling.tools_json,
    "arguments_json": spelling.arguments_json,
    "system_in_place": places.system_in_place,
}
BY_WORKER = frozenset({"system_in_place"})
"""Rules that only ask the worker for something, which tells where it was needed."""
DEFAULTS = frozenset(rule.name for rule in PROMPT_RULES if rule.default)


def canonical(prompt: ChatPrompt, names: Collection[str]) -> tuple[ChatPrompt, tuple[str, ...]]:
    """Return `prompt` as the rules in `names` make it, and the names of those that changed it."""
    applied = []
    for name, apply in _APPLY.items():
        if name in names:
            before, prompt = prompt, apply(prompt)
            if prompt is not before and name not in BY_WORKER:
                applied.append(name)
    return prompt, tuple(applied)
