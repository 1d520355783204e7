"""Errors as Anthropic's clients know them: by a type, an HTTP status, and in one case by their very words."""

from __future__ import annotations

from litestar.openapi.datastructures import ResponseSpec
from litestar.types import Scope

from omlx_cli.contract import routes
from omlx_cli.contract.errors import MEANINGS, Code, ErrorBody
from omlx_daemon.api.anthropic.replies import AnthropicErrorReply, ErrorDetail

VERSION = b"anthropic-version"
"""The header that every client of this dialect sends."""

_STATUSES = {501: 400, 503: 529, 507: 500}
"""HTTP statuses that these clients expect in the place of ours."""
_TYPES = {
    401: "authentication_error",
    403: "permission_error",
    404: "not_found_error",
    413: "request_too_large",
    429: "rate_limit_error",
    504: "timeout_error",
    529: "overloaded_error",
}
_FINAL = frozenset({Code.INSUFFICIENT_MEMORY, Code.LOAD_FAILED, Code.CANCELLED})
"""What another try will not change, although its status says that it might."""

ANTHROPIC_ERRORS = {
    status: ResponseSpec(AnthropicErrorReply, generate_examples=False, description=text)
    for status, text in {
        400: "The request cannot be served as it is, a prompt over the context included",
        401: "The API key is missing or wrong",
        403: "The host, origin or route is not allowed",
        404: "No such model or route",
        413: "The body is too large",
        415: "The body is not application/json",
        500: "The generation failed, or the model does not fit in memory",
        504: "The request's deadline has passed",
        529: "Busy or stopping; see Retry-After",
    }.items()
}
"""What the Anthropic routes answer besides success, for the OpenAPI document."""


def speaks(scope: Scope) -> bool:
    """Return whether a request's client expects this dialect: by its route, or by its word where routes are shared."""
    path: str = scope["path"]
    if path.startswith(routes.MESSAGES):
        return True
    return path.startswith(routes.OPENAI_MODELS) and any(name.lower() == VERSION for name, _ in scope["headers"])


def status_of(body: ErrorBody) -> int:
    """Return the HTTP status of an error."""
    if _is_too_long(body):
        return 400
    status = MEANINGS[body.code].http_status
    return _STATUSES.get(status, status)


def reply(body: ErrorBody, status: int, request_id: str) -> AnthropicErrorReply:
    """Return `body` in Anthropic's envelope; the hint joins the message."""
    kind = _TYPES.get(status, "invalid_request_error" if status < 499 else "api_error")
    return AnthropicErrorReply(error=ErrorDetail(type=kind, message=_message(body)), request_id=request_id)


def headers(body: ErrorBody) -> dict[str, str]:
    """Return the headers that tell a client to try again or not to."""
    return {"x-should-retry": "false"} if body.code in _FINAL else {}


def _is_too_long(body: ErrorBody) -> bool:
    return body.limit_tokens > 0


def _message(body: ErrorBody) -> str:
    # Clients compact a conversation when they read the first words, and take the two numbers for how far.
    if _is_too_long(body):
        words = f"prompt is too long: {body.prompt_tokens} tokens > {body.limit_tokens} maximum"
        return words if body.code is Code.CONTEXT_LENGTH_EXCEEDED else f"{words}; {body.message}"
    return f"{body.message}; {body.hint}" if body.hint else body.message
