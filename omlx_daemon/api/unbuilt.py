"""Routes that clients of this dialect know and that have no engine yet: they say so, whatever is asked."""

from __future__ import annotations

from litestar import Router, post

from omlx_cli.contract import routes
from omlx_cli.contract.errors import Code, OmlxError

_HINT = "chat, completions, responses and messages are served"
_SUMMARY = "ask for a summary with /v1/responses, and go on from that"


@post(routes.EMBEDDINGS, status_code=200, include_in_schema=False)
async def embeddings() -> None:
    """Refuse: there is no engine for embeddings yet."""
    raise OmlxError(Code.UNSUPPORTED, "embeddings are not supported yet", _HINT)


@post([routes.RERANK, routes.RERANK_PLAIN], status_code=200, include_in_schema=False)
async def rerank() -> None:
    """Refuse: there is no engine for reranking yet."""
    raise OmlxError(Code.UNSUPPORTED, "reranking is not supported yet", _HINT)


@post(routes.RESPONSE_COMPACT, status_code=200, include_in_schema=False)
async def compact() -> None:
    """Refuse: no model here compacts a conversation into an item of its own."""
    raise OmlxError(Code.UNSUPPORTED, "compaction of a conversation is not supported yet", _SUMMARY)


def router() -> Router:
    """Return these routes."""
    return Router("/", route_handlers=[embeddings, rerank, compact], tags=["openai"])
