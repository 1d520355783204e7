"""`[models."NAME"]` in `config.toml`: what one model does differently. What is left out stays as it is for all."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Annotated, Literal

import msgspec
from msgspec import Meta

from omlx_cli.contract.prompt_rules import PROMPT_RULES
from omlx_cli.contract.units import parse_duration_s

RESERVED_TEMPLATE_KWARGS = frozenset(
    {
        "messages",
        "conversation",
        "tools",
        "documents",
        "chat_template",
        "add_generation_prompt",
        "continue_final_message",
        "tokenize",
        "padding",
        "truncation",
        "max_length",
        "return_tensors",
        "return_dict",
        "return_assistant_tokens_mask",
        "tokenizer_kwargs",
    }
)
"""Names that a chat template's caller gives itself."""

_RULES = tuple(rule.name for rule in PROMPT_RULES)
_ALIAS = re.compile(r"[A-Za-z0-9][A-Za-z0-9._:/-]{0,127}")

Penalty = Annotated[float, Meta(ge=-2, le=2)]
Share = Annotated[float, Meta(ge=0, le=1)]
Count = Annotated[int, Meta(ge=0, le=2**31 - 1)]


class ModelOptions(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Settings of one model. None, and an empty `ttl`, leave a value to `[model]` or to the model itself."""

    ttl: str = ""
    pin: bool = False
    aliases: tuple[str, ...] = ()
    context_limit: Count = 0
    """Longest prompt plus answer in tokens; 0 is `model.context_limit`."""
    client_window: Count | None = None
    """The context that clients of Anthropic's API take it to have; None is `anthropic.client_window`."""
    temperature: Annotated[float, Meta(ge=0, le=2)] | None = None
    top_p: Share | None = None
    top_k: Count | None = None
    min_p: Share | None = None
    repetition_penalty: Annotated[float, Meta(gt=0, le=10)] | None = None
    presence_penalty: Penalty | None = None
    frequency_penalty: Penalty | None = None
    max_tokens: Annotated[int, Meta(ge=1, le=2**31 - 1)] | None = None
    chat_template_kwargs: dict[str, bool | int | float | str] = {}
    kv_store_bits: Literal[4, 8, 16] = 16
    adapter: str = ""
    """The folder of an adapter that the model is loaded with; one that is relative lies in the home."""
    prompt_rules: tuple[str, ...] | None = None
    """The rules of `[prompts]` that are on for this model, in their place; None is as for all."""


def check_models(models: Mapping[str, ModelOptions]) -> None:
    """See that the options make sense, each and together. Raises ValueError that names the key."""
    for name, options in models.items():
        for key, problem in _problems(options):
            raise ValueError(f"{key_of(name, key)}: {problem}")
    owners = {name.lower(): name for name in models}
    for name, options in models.items():
        for alias in options.aliases:
            owner = owners.setdefault(alias.lower(), name)
            if owner != name:
                raise ValueError(f"{key_of(name, 'aliases')}: {alias!r} means {owner} already")


def key_of(model: str, option: str) -> str:
    """Return how an option is called in messages, such as `models."m".ttl`."""
    return f'models."{model}".{option}'


def _problems(options: ModelOptions) -> Iterator[tuple[str, str]]:
    if options.ttl:
        try:
            parse_duration_s(options.ttl)
        except ValueError as error:
            yield "ttl", str(error)
    for alias in options.aliases:
        if not _ALIAS.fullmatch(alias):
            yield "aliases", f"{alias!r} is no name; write letters, digits and . _ : / -"
    for name in options.prompt_rules or ():
        if name not in _RULES:
            yield "prompt_rules", f"{name!r} is none of {', '.join(_RULES)}"
    for name in options.chat_template_kwargs:
        if not is_template_kwarg(name):
            yield "chat_template_kwargs", f"{name!r} cannot be set"


def is_template_kwarg(name: str) -> bool:
    """Tell whether a chat template may be given `name` from outside."""
    return name.isidentifier() and name not in RESERVED_TEMPLATE_KWARGS
