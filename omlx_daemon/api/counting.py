"""The length of one prompt, as the model's own tokenizer and template make it."""

from __future__ import annotations

from litestar.types import Receive

from omlx_daemon.api.feed import Feed
from omlx_daemon.api.generations import raise_end, raise_failure
from omlx_daemon.core.events import Event, Finished
from omlx_daemon.core.ports import Inference
from omlx_daemon.core.requests import GenerationRequest


async def count_tokens(inference: Inference, request: GenerationRequest, receive: Receive) -> int:
    """Return how many tokens the prompt of a `request` has that only counts; its model is loaded where it is not.

    Raises OmlxError, and ClientGone when the client leaves.
    """
    async with Feed([inference.generate(request)], receive) as feed:
        return await _prompt_tokens(feed)


async def _prompt_tokens(feed: Feed[Event]) -> int:
    while True:
        for _, event in await feed.batch():
            raise_failure(event)
            if isinstance(event, Finished):
                return event.usage.prompt_tokens
        raise_end(feed)
