"""The OpenAPI document at `/openapi.json`: Litestar's routes with msgspec's own schemas, which know every range."""

from __future__ import annotations

from typing import Any

import msgspec
from litestar import Request
from litestar.openapi.config import OpenAPIConfig
from litestar.openapi.plugins import JsonRenderPlugin

from omlx_cli import __version__
from omlx_cli.contract import api, cache, explain, live, prompt_rules, routes
from omlx_cli.contract.errors import ErrorReply
from omlx_daemon.api.anthropic import replies as anthropic_replies
from omlx_daemon.api.anthropic import schema as anthropic_schema
from omlx_daemon.api.errors import OpenAIErrorReply
from omlx_daemon.api.openai import replies, schema
from omlx_daemon.api.responses.replies import Deleted, InputTokens, ItemPage, Response
from omlx_daemon.api.responses.schema import InputTokensBody, ResponsesBody
from omlx_daemon.api.streaming import EVENT_STREAM_TYPE

PATH = "/openapi.json"
_EVENT = {"type": "object", "properties": {"data": {"type": "string"}}, "required": ["data"]}
_REFERENCE = "#/components/schemas/{name}"

_TYPES = (
    schema.ChatCompletionBody,
    schema.CompletionBody,
    replies.ChatCompletion,
    replies.Completion,
    replies.ModelList,
    OpenAIErrorReply,
    anthropic_schema.MessagesBody,
    anthropic_schema.CountTokensBody,
    anthropic_replies.AnthropicMessage,
    anthropic_replies.CountReply,
    anthropic_replies.ModelPage,
    anthropic_replies.ModelInfoReply,
    anthropic_replies.AnthropicErrorReply,
    ResponsesBody,
    InputTokensBody,
    Response,
    ItemPage,
    InputTokens,
    Deleted,
    ErrorReply,
    api.Health,
    api.Status,
    api.PsReply,
    api.ModelsReply,
    api.ModelDetail,
    api.RequestsReply,
    api.ReloadReply,
    api.ModelBody,
    api.LoadBody,
    api.UnloadBody,
    api.PullBody,
    api.SlotReply,
    api.LoadEstimate,
    api.Done,
    api.PullProgress,
    live.Snapshot,
    live.Change,
    live.Happening,
    cache.CacheStats,
    cache.CacheList,
    cache.CachePins,
    cache.CachePinReply,
    cache.CacheWarm,
    cache.CacheMetrics,
    explain.ExplainReply,
    prompt_rules.RulesReply,
    cache.PruneReport,
    cache.VerifyProgress,
    cache.PruneBody,
    cache.VerifyBody,
    cache.CachePinBody,
    cache.CacheLabelBody,
    cache.CacheWarmBody,
    cache.CacheModelBody,
    cache.CacheArchiveBody,
)


class _Document(JsonRenderPlugin):
    """Renders the document as JSON alone: no page, nothing from elsewhere."""

    def __init__(self) -> None:
        super().__init__(path=["/", PATH])
        self._document = b""

    def render(self, request: Request[Any, Any, Any], openapi_schema: dict[str, Any]) -> bytes:
        """Return the document; the first request builds it."""
        if not self._document:
            _, components = msgspec.json.schema_components(_TYPES, schema_hook=_any, ref_template=_REFERENCE)
            openapi_schema["components"]["schemas"] = components
            for path in (routes.CHAT_COMPLETIONS, routes.COMPLETIONS, routes.MESSAGES, routes.RESPONSES):
                answers = openapi_schema["paths"][path]["post"]["responses"]["200"]["content"]
                answers[EVENT_STREAM_TYPE] = {"schema": _EVENT}
            self._document = msgspec.json.encode(openapi_schema)
        return self._document


def _any(kind: type) -> dict[str, Any]:
    """Return the schema of `object`, which may be anything."""
    if kind is object:
        return {"description": "any JSON value"}
    raise NotImplementedError


def config() -> OpenAPIConfig:
    """Return Litestar's configuration for the document."""
    return OpenAPIConfig(title="omlx", version=__version__, path=PATH, render_plugins=[_Document()])
