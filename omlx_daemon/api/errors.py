"""Every failure as a reply: OpenAI's or Anthropic's envelope under `/v1/`, the contract's `ErrorReply` elsewhere."""

from __future__ import annotations

import logging
import math
from typing import Any

import msgspec
from litestar import MediaType, Request, Response
from litestar.exceptions import HTTPException, ValidationException
from litestar.openapi.datastructures import ResponseSpec
from litestar.types import ExceptionHandlersMap, Scope

from omlx_cli.contract.errors import MEANINGS, Code, ErrorBody, ErrorReply, OmlxError
from omlx_daemon.api.anthropic import errors as anthropic
from omlx_daemon.api.trace import client_left, request_id
from omlx_daemon.core.entries import about

OPENAI_PREFIX = "/v1/"
_JSON = MediaType.JSON

log = logging.getLogger(__name__)

_CODES = {
    401: Code.UNAUTHORIZED,
    403: Code.FORBIDDEN,
    404: Code.NOT_FOUND,
    405: Code.METHOD_NOT_ALLOWED,
    413: Code.BODY_TOO_LARGE,
}
_FINAL = frozenset({Code.UNSUPPORTED, Code.INSUFFICIENT_MEMORY, Code.LOAD_FAILED, Code.CANCELLED})
"""What another try will not change, although its status says that it might."""
_TYPES = {401: "authentication_error", 403: "permission_error", 429: "rate_limit_error"}


class OpenAIError(msgspec.Struct, frozen=True, kw_only=True):
    """OpenAI's description of one error."""

    message: str
    type: str
    param: str | None = None
    code: str | None = None


class OpenAIErrorReply(msgspec.Struct, frozen=True):
    """OpenAI's envelope of an error."""

    error: OpenAIError


OPENAI_ERRORS = {
    status: ResponseSpec(OpenAIErrorReply, generate_examples=False, description=text)
    for status, text in {
        400: "The request cannot be served as it is",
        401: "The API key is missing or wrong",
        403: "The host, origin or route is not allowed",
        404: "No such model or route",
        413: "The body is too large",
        415: "The body is not application/json",
        499: "Somebody cancelled it",
        500: "The generation failed",
        503: "Busy or stopping; see Retry-After",
        504: "The request's deadline has passed",
        507: "The model does not fit in memory",
    }.items()
}
"""What the OpenAI routes answer besides success, for the OpenAPI document."""

CONTROL_ERRORS = {
    status: ResponseSpec(ErrorReply, generate_examples=False, description=text)
    for status, text in {
        400: "The request cannot be served as it is",
        401: "The API key is missing or wrong",
        403: "The host, origin or route is not allowed",
        404: "No such model",
        409: "Pinned, in use, or in need of confirmation",
        413: "The body is too large",
        415: "The body is not application/json",
        500: "It failed",
        502: "The hub failed",
        503: "Stopping or not ready",
        507: "The model does not fit in memory",
    }.items()
}
"""What the control routes answer besides success, for the OpenAPI document."""


def openai_reply(body: ErrorBody) -> OpenAIErrorReply:
    """Return `body` in OpenAI's envelope; the hint joins the message."""
    status = MEANINGS[body.code].http_status
    return OpenAIErrorReply(
        OpenAIError(
            message=f"{body.message}; {body.hint}" if body.hint else body.message,
            type=_TYPES.get(status, "invalid_request_error" if status < 500 else "server_error"),
            param=body.param or None,
            code=str(body.code),
        )
    )


def headers(body: ErrorBody) -> dict[str, str]:
    """Return the headers that belong to an error: Retry-After in whole seconds, where it is known, and a word to
    clients that would try again for nothing."""
    if body.retry_after_s:
        return {"retry-after": str(max(1, math.ceil(body.retry_after_s)))}
    return {"x-should-retry": "false"} if body.code in _FINAL else {}


def internal(scope: Scope, error: Exception) -> ErrorBody:
    """Log an unexpected `error` under the request's id and return what the client may know of it."""
    identity = request_id(scope)
    log.error("request %s failed", identity, exc_info=error, extra=about(identity))
    return ErrorBody(
        code=Code.INTERNAL,
        message=f"the daemon failed on request {identity}",
        hint="omlx logs  has the details",
    )


def response(scope: Scope, body: ErrorBody, status: int = 0, extra: dict[str, str] | None = None) -> Response[Any]:
    """Return the reply for `body` in the dialect of the request's path; `status` 0 is the code's own."""
    told = {**headers(body), **(extra or {})}
    if anthropic.speaks(scope):
        status = status or anthropic.status_of(body)
        content: msgspec.Struct = anthropic.reply(body, status, request_id(scope))
        told |= anthropic.headers(body)
    else:
        content = openai_reply(body) if scope["path"].startswith(OPENAI_PREFIX) else ErrorReply(body)
    return Response(content, status_code=status or MEANINGS[body.code].http_status, headers=told, media_type=_JSON)


def _on_omlx_error(request: Request[Any, Any, Any], error: Exception) -> Response[Any]:
    assert isinstance(error, OmlxError)
    _tell(request, error.body)
    return response(request.scope, error.body)


def _tell(request: Request[Any, Any, Any], body: ErrorBody) -> None:
    """Log a refusal under the id that its client sees."""
    scope = request.scope
    status = MEANINGS[body.code].http_status
    log.info("%s %s: HTTP %d, %s", request.method, scope["path"], status, body.message, extra=about(request_id(scope)))


def _on_http_error(request: Request[Any, Any, Any], error: Exception) -> Response[Any]:
    assert isinstance(error, HTTPException)
    status = error.status_code
    if client_left(request.scope):
        return response(request.scope, ErrorBody(code=Code.CANCELLED, message="the client has left"))
    if status >= 500:
        return response(request.scope, internal(request.scope, error))
    body = ErrorBody(code=_CODES.get(status, Code.INVALID_REQUEST), message=_message(request, error))
    return response(request.scope, body, status, dict(error.headers or {}))


def _message(request: Request[Any, Any, Any], error: HTTPException) -> str:
    if isinstance(error, ValidationException):
        return _invalid_part(error)
    if error.status_code == 404:
        return f"no route {request.scope['path']}"
    if error.status_code == 405:
        return f"{request.method} is not allowed on {request.scope['path']}"
    if error.status_code == 413:
        return "the body is larger than server.max_body allows"
    return error.detail


def _invalid_part(error: ValidationException) -> str:
    """Return what is wrong with a parameter; a request without its body has no other fault."""
    parts = error.extra if isinstance(error.extra, list) else []
    for part in parts:
        if part.get("source") == "query":
            return f"{part.get('key')}: {part.get('message')}".lower().replace("`", "")
    return "the request needs a JSON body"


def _on_exception(request: Request[Any, Any, Any], error: Exception) -> Response[Any]:
    return response(request.scope, internal(request.scope, error))


HANDLERS: ExceptionHandlersMap = {
    OmlxError: _on_omlx_error,
    HTTPException: _on_http_error,
    Exception: _on_exception,
}
"""How Litestar answers whatever a handler raises."""
