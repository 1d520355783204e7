"""Answers how long one prompt is."""

from __future__ import annotations

import msgspec
from litestar.types import Receive, Scope, Send

from omlx_daemon.api.anthropic.convert import Job
from omlx_daemon.api.anthropic.replies import CountReply
from omlx_daemon.api.anthropic.usage import true_headers
from omlx_daemon.api.counting import count_tokens
from omlx_daemon.api.feed import ClientGone
from omlx_daemon.api.streaming import send_json
from omlx_daemon.core.ports import Inference


class TokenCount:
    """An ASGI app that answers one request for a count."""

    def __init__(self, inference: Inference, job: Job) -> None:
        self._inference = inference
        self._job = job

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer. Raises OmlxError."""
        try:
            tokens = await count_tokens(self._inference, self._job.request, receive)
        except ClientGone:
            return
        reply = CountReply(input_tokens=self._job.scale.up(tokens))
        await send_json(send, msgspec.json.encode(reply), true_headers(tokens))
