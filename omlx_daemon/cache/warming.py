"""Prompts that are computed and kept, without an answer."""

from __future__ import annotations

import time
import uuid

import msgspec

from omlx_cli.contract.cache import CacheWarm, CacheWarmBody
from omlx_cli.contract.errors import Code, OmlxError
from omlx_daemon.core.events import Failed, Finished
from omlx_daemon.core.ports import Inference
from omlx_daemon.core.requests import (
    CachePolicy,
    ChatPrompt,
    GenerationRequest,
    Message,
    Prompt,
    Sampling,
    SystemPrompt,
    TextPrompt,
    TokenPrompt,
)

_WARM = CachePolicy(warm=True)


class Warming:
    """Sends requests that do nothing but fill the cache; they take their turn with all others."""

    def __init__(self, inference: Inference) -> None:
        self._inference = inference

    async def warm(self, body: CacheWarmBody) -> CacheWarm:
        """Compute and keep a prompt. Raises OmlxError."""
        began_s = time.monotonic()
        usage = (await self._run(body.model, _prompt(body))).usage
        return CacheWarm(
            prompt_tokens=usage.prompt_tokens,
            computed_tokens=usage.prompt_tokens - usage.cached_tokens,
            seconds=time.monotonic() - began_s,
        )

    async def prefix(self, model: str, system: str) -> tuple[bytes, ...]:
        """Compute and keep what every chat with this system text begins with; return its blocks' hashes.

        None where the model's prefixes are not kept. Raises OmlxError.
        """
        return (await self._run(model, SystemPrompt(system=system))).blocks

    async def differences(
        self, model: str, tokens: tuple[int, ...], files: tuple[tuple[str, int], ...], salt_digest: str = ""
    ) -> tuple[float, ...]:
        """Compute `tokens` afresh; return how far these files, by name and end, are from that. Raises OmlxError.

        `salt_digest` is what the first of their chain tells of its salt.
        """
        policy = CachePolicy(no_store=True, compare=files, salt_digest=salt_digest)
        return (await self._run(model, TokenPrompt(token_ids=tokens), policy)).differences

    async def _run(self, model: str, prompt: Prompt, policy: CachePolicy = _WARM) -> Finished:
        request = GenerationRequest(
            id=f"warm-{uuid.uuid4().hex}",
            model=model,
            prompt=prompt,
            sampling=Sampling(temperature=0.0, max_tokens=0),
            cache=policy,
        )
        async for event in self._inference.generate(request):
            if isinstance(event, Failed):
                raise OmlxError.of(event.error)
            if isinstance(event, Finished):
                return event
        raise OmlxError(Code.INTERNAL, "the prompt was not computed to its end", "omlx logs  may tell why")


def _prompt(body: CacheWarmBody) -> Prompt:
    if body.text:
        return TextPrompt(text=body.text)
    try:
        return ChatPrompt(messages=tuple(msgspec.convert(message, Message) for message in body.messages))
    except msgspec.ValidationError as error:
        raise OmlxError(Code.INVALID_REQUEST, f"messages: {error}", param="messages") from error
