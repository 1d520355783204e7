"""Counts the tokens of one prompt, as the model's own tokenizer and template make them."""

from __future__ import annotations

import msgspec
from litestar.types import Receive, Scope, Send

from omlx_daemon.api.anthropic.convert import Job
from omlx_daemon.api.anthropic.replies import CountReply
from omlx_daemon.api.anthropic.usage import true_headers
from omlx_daemon.api.feed import ClientGone, Feed
from omlx_daemon.api.generations import raise_end, raise_failure
from omlx_daemon.api.streaming import send_json
from omlx_daemon.core.events import Event, Finished
from omlx_daemon.core.ports import Inference


class TokenCount:
    """An ASGI app that answers one request for a count; the model is loaded for it where it is not."""

    def __init__(self, inference: Inference, job: Job) -> None:
        self._inference = inference
        self._job = job

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer. Raises OmlxError."""
        try:
            async with Feed([self._inference.generate(self._job.request)], receive) as feed:
                tokens = await _prompt_tokens(feed)
        except ClientGone:
            return
        reply = CountReply(input_tokens=self._job.scale.up(tokens))
        await send_json(send, msgspec.json.encode(reply), true_headers(tokens))


async def _prompt_tokens(feed: Feed[Event]) -> int:
    while True:
        for _, event in await feed.batch():
            raise_failure(event)
            if isinstance(event, Finished):
                return event.usage.prompt_tokens
        raise_end(feed)
