"""What a caller wants of a model's reasoning, as arguments of its chat template."""

from __future__ import annotations

import msgspec

from omlx_daemon.core.requests import ChatPrompt, GenerationRequest, ReasoningOptions
from omlx_daemon.core.templates import TemplateTraits

ALWAYS_REASONS = "the model always reasons: its chat template knows no way to turn that off"
NO_EFFORT = "the model's chat template knows no reasoning effort: it reasons as it does without one, or not at all"

_EFFORT = "reasoning_effort"
_LITTLE = ("none", "minimal")
"""Efforts that a template which can only reason or not takes as not."""
_LEVELS = {"none": "low", "minimal": "low", "xhigh": "high", "max": "high"}
"""The nearest of the three levels that templates know."""


def directed(request: GenerationRequest, traits: TemplateTraits) -> GenerationRequest:
    """Return `request` with its reasoning options as arguments of the template, where that takes such ones.

    Arguments that are there already stay as they are.
    """
    prompt = request.prompt
    if not isinstance(prompt, ChatPrompt):
        return request
    arguments = _arguments(request.reasoning, traits)
    if not arguments:
        return request
    prompt = msgspec.structs.replace(prompt, template_kwargs={**arguments, **prompt.template_kwargs})
    return msgspec.structs.replace(request, prompt=prompt)


def unheeded(options: ReasoningOptions, traits: TemplateTraits) -> str:
    """Return what of `options` the model cannot do; empty where it can all."""
    if options.enabled is False or options.effort == "none":
        return ALWAYS_REASONS if traits.reasons and not traits.switches - {_EFFORT} else ""
    is_asked = options.effort and (traits.reasons or options.effort not in _LITTLE)
    return NO_EFFORT if is_asked and not traits.switches else ""


def _arguments(options: ReasoningOptions, traits: TemplateTraits) -> dict[str, object]:
    wanted = options.enabled
    if wanted is None and options.effort:
        wanted = options.effort not in _LITTLE
    if wanted is None:
        return {}
    found: dict[str, object] = {name: wanted for name in traits.switches if name != _EFFORT}
    effort = options.effort if wanted else "low"
    if _EFFORT in traits.switches and effort:
        found[_EFFORT] = _LEVELS.get(effort, effort)
    return found
