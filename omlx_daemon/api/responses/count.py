"""Answers how long the prompt of a response would be."""

from __future__ import annotations

import msgspec
from litestar.types import Receive, Scope, Send

from omlx_cli.contract.errors import OmlxError
from omlx_daemon.api.counting import count_tokens
from omlx_daemon.api.feed import ClientGone
from omlx_daemon.api.responses.convert import Job
from omlx_daemon.api.responses.replies import InputTokens
from omlx_daemon.api.streaming import send_json
from omlx_daemon.core.ports import Inference


class TokenCount:
    """An ASGI app that answers one request for a count."""

    def __init__(self, inference: Inference, job: Job) -> None:
        self._inference = inference
        self._job = job

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer. Raises OmlxError."""
        request = msgspec.structs.replace(self._job.request, count_only=True)
        try:
            tokens = await count_tokens(self._inference, request, receive)
        except ClientGone:
            return
        except OmlxError as error:
            raise OmlxError.of(self._job.reworded(error.body)) from error
        await send_json(send, msgspec.json.encode(InputTokens(input_tokens=tokens)))
