"""Bodies to generation requests: one request for each sequence to generate."""

from __future__ import annotations

import msgspec

from omlx_daemon.api.caller import Caller
from omlx_daemon.api.extras import cache_options, invalid, terms, verbosity_warnings
from omlx_daemon.api.openai.messages import chat_prompt
from omlx_daemon.api.openai.schema import MAX_CHOICES, MAX_SEED, Body, ChatCompletionBody, CompletionBody
from omlx_daemon.api.openai.tools import reasoning, response_format, tool_choice
from omlx_daemon.api.trace import PREFIX as REQUEST_PREFIX
from omlx_daemon.core.requests import (
    GenerationRequest,
    Prompt,
    Sampling,
    TextPrompt,
    TokenPrompt,
)

DEFAULT_COMPLETION_TOKENS = 16
"""What OpenAI's older dialect generates where `max_tokens` is not given."""

_SEED_STEP = 0x9E3779B97F4A7C15
"""Keeps the seeds of one request's choices far apart from another request's."""


class Job(msgspec.Struct, frozen=True, kw_only=True):
    """One HTTP request's generations: `choices` for each prompt, in order of the prompts."""

    id: str
    model: str
    requests: tuple[GenerationRequest, ...]
    choices: int
    stream: bool
    include_usage: bool
    warnings: tuple[str, ...] = ()
    """What each choice is told beside its own."""


def chat_job(body: ChatCompletionBody, caller: Caller) -> Job:
    """Return the generations of a chat request. Raises OmlxError(INVALID_REQUEST)."""
    if body.top_logprobs is not None and not body.logprobs:
        raise invalid("top_logprobs", "needs logprobs: true")
    if body.store:
        raise invalid("store", "not supported yet")
    cache_options(body.prompt_cache_options)
    logprobs = (body.top_logprobs or 0) if body.logprobs else None
    sampling = _sampling(body, logprobs, body.max_completion_tokens or body.max_tokens)
    job = _job("chatcmpl-", body, caller, [chat_prompt(body)], sampling)
    wishes = {"tool_choice": tool_choice(body), "reasoning": reasoning(body)}
    requests = tuple(msgspec.structs.replace(request, **wishes) for request in job.requests)
    warnings = verbosity_warnings(body.verbosity, "verbosity")
    return msgspec.structs.replace(job, requests=requests, warnings=warnings)


def completion_job(body: CompletionBody, caller: Caller) -> Job:
    """Return the generations of a text request. Raises OmlxError(INVALID_REQUEST)."""
    if body.best_of is not None and body.best_of != (body.n or 1):
        raise invalid("best_of", "other than n is not supported yet")
    if body.suffix:
        raise invalid("suffix", "not supported yet")
    if body.echo and body.logprobs is not None:
        raise invalid("logprobs", "together with echo is not supported yet")
    sampling = _sampling(body, body.logprobs, body.max_tokens or DEFAULT_COMPLETION_TOKENS)
    return _job("cmpl-", body, caller, _prompts(body.prompt), sampling, echo=bool(body.echo))


def _job(prefix: str, body: Body, caller: Caller, prompts: list[Prompt], sampling: Sampling, echo: bool = False) -> Job:
    choices = body.n or 1
    if len(prompts) * choices > MAX_CHOICES:
        param = "n" if choices > 1 else "prompt"
        raise invalid(param, f"{len(prompts)} prompts with {choices} choices each are over {MAX_CHOICES} together")
    agreed = terms(body, caller)
    requests = tuple(
        GenerationRequest(
            id=f"{caller.request_id}.{place * choices + choice}",
            model=body.model,
            prompt=prompt,
            sampling=_reseeded(sampling, choice),
            cache=agreed.cache,
            priority=agreed.priority,
            deadline_s=agreed.deadline_s,
            keep_alive_s=agreed.keep_alive_s,
            client=caller.name or body.user or caller.peer,
            response_format=response_format(body),
            echo=echo,
        )
        for place, prompt in enumerate(prompts)
        for choice in range(choices)
    )
    include_usage = bool(body.stream_options and body.stream_options.include_usage)
    return Job(
        id=prefix + caller.request_id.removeprefix(REQUEST_PREFIX),
        model=body.model,
        requests=requests,
        choices=choices,
        stream=bool(body.stream),
        include_usage=include_usage,
    )


def _reseeded(sampling: Sampling, choice: int) -> Sampling:
    """Return `sampling` with the seed of one choice; the first keeps the one that was given."""
    if sampling.seed is None or not choice:
        return sampling
    return msgspec.structs.replace(sampling, seed=(sampling.seed + choice * _SEED_STEP) & MAX_SEED)


def _sampling(body: Body, logprobs: int | None, max_tokens: int | None) -> Sampling:
    return Sampling(
        temperature=body.temperature,
        top_p=body.top_p or None,
        top_k=1 if body.top_p == 0 else _top_k(body.top_k),
        min_p=body.min_p,
        repetition_penalty=body.repetition_penalty,
        presence_penalty=body.presence_penalty,
        frequency_penalty=body.frequency_penalty,
        seed=None if body.seed is None else body.seed & MAX_SEED,
        logit_bias={int(token): bias for token, bias in (body.logit_bias or {}).items()},
        logprobs=logprobs,
        stop=_stops(body.stop),
        max_tokens=max_tokens,
        ignore_eos=bool(body.ignore_eos),
    )


def _top_k(value: int | None) -> int | None:
    """Return `value` with every spelling of "all tokens" as 0."""
    return value if value is None else max(value, 0)


def _stops(stop: str | list[str] | None) -> tuple[str, ...]:
    return (stop,) if isinstance(stop, str) else tuple(stop or ())


def _prompts(prompt: str | list[str | int | list[int]]) -> list[Prompt]:
    if isinstance(prompt, str):
        return [TextPrompt(text=prompt)]
    numbers = [part for part in prompt if isinstance(part, int)]
    if len(numbers) == len(prompt):
        return [TokenPrompt(token_ids=tuple(numbers))]
    if numbers:
        raise invalid("prompt", "token ids stand among texts; give each prompt as a list of its own")
    return [_prompt(part, index) for index, part in enumerate(prompt) if not isinstance(part, int)]


def _prompt(part: str | list[int], index: int) -> Prompt:
    if isinstance(part, str):
        return TextPrompt(text=part)
    if not part:
        raise invalid(f"prompt[{index}]", "an empty list of token ids")
    return TokenPrompt(token_ids=tuple(part))
