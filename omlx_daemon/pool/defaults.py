"""What a model's settings add to a request. Pure."""

from __future__ import annotations

import msgspec

from omlx_cli.contract.model_options import ModelOptions
from omlx_daemon.core.requests import ChatPrompt, GenerationRequest, Prompt, Sampling, SystemPrompt

_SAMPLING = (
    "temperature",
    "top_p",
    "top_k",
    "min_p",
    "repetition_penalty",
    "presence_penalty",
    "frequency_penalty",
    "max_tokens",
)


def completed(request: GenerationRequest, options: ModelOptions) -> GenerationRequest:
    """Return `request` with the model's settings in place of what it leaves out."""
    sampling = _sampling(request.sampling, options)
    prompt = _prompt(request.prompt, options)
    if sampling is request.sampling and prompt is request.prompt:
        return request
    return msgspec.structs.replace(request, sampling=sampling, prompt=prompt)


def _sampling(asked: Sampling, options: ModelOptions) -> Sampling:
    given = {name: getattr(options, name) for name in _SAMPLING if getattr(asked, name) is None}
    given = {name: value for name, value in given.items() if value is not None}
    return msgspec.structs.replace(asked, **given) if given else asked


def _prompt(asked: Prompt, options: ModelOptions) -> Prompt:
    if not options.chat_template_kwargs or not isinstance(asked, ChatPrompt | SystemPrompt):
        return asked
    return msgspec.structs.replace(asked, template_kwargs={**options.chat_template_kwargs, **asked.template_kwargs})
