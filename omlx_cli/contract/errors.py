"""Error codes shared by CLI and daemon, and what each means as HTTP status and exit code."""

from __future__ import annotations

from enum import IntEnum, StrEnum

import msgspec


class Exit(IntEnum):
    """Exit codes of the CLI."""

    OK = 0
    FAILURE = 1
    USAGE = 2
    NOT_FOUND = 3
    UNREACHABLE = 4
    NOT_READY = 5
    REFUSED = 6
    INTERRUPTED = 130
    CLOSED_PIPE = 141


class Code(StrEnum):
    """What went wrong, in a word that scripts may rely on."""

    INVALID_REQUEST = "invalid_request"
    INVALID_CONFIG = "invalid_config"
    UNAUTHORIZED = "unauthorized"
    FORBIDDEN = "forbidden"
    MODEL_NOT_FOUND = "model_not_found"
    NOT_FOUND = "not_found"
    METHOD_NOT_ALLOWED = "method_not_allowed"
    CONTEXT_LENGTH_EXCEEDED = "context_length_exceeded"
    BODY_TOO_LARGE = "body_too_large"
    UNSUPPORTED_MODEL = "unsupported_model"
    UNSUPPORTED = "unsupported"
    IN_USE = "in_use"
    PINNED = "pinned"
    CONFIRMATION_REQUIRED = "confirmation_required"
    INSUFFICIENT_MEMORY = "insufficient_memory"
    MEMORY_BUSY = "memory_busy"
    QUEUE_FULL = "queue_full"
    SHUTTING_DOWN = "shutting_down"
    LOAD_FAILED = "load_failed"
    PULL_FAILED = "pull_failed"
    WORKER_CRASHED = "worker_crashed"
    WORKER_STUCK = "worker_stuck"
    GENERATION_FAILED = "generation_failed"
    CANCELLED = "cancelled"
    TIMEOUT = "timeout"
    DAEMON_UNREACHABLE = "daemon_unreachable"
    HOME_UNUSABLE = "home_unusable"
    NOT_READY = "not_ready"
    PORT_IN_USE = "port_in_use"
    ALREADY_RUNNING = "already_running"
    CACHE_LOCKED = "cache_locked"
    CACHE_FULL = "cache_full"
    CACHE_UNUSABLE = "cache_unusable"
    INTERNAL = "internal"


class Meaning(msgspec.Struct, frozen=True):
    """How one code shows at the two edges."""

    http_status: int
    exit: Exit


MEANINGS: dict[Code, Meaning] = {
    Code.INVALID_REQUEST: Meaning(400, Exit.USAGE),
    Code.INVALID_CONFIG: Meaning(400, Exit.USAGE),
    Code.UNAUTHORIZED: Meaning(401, Exit.REFUSED),
    Code.FORBIDDEN: Meaning(403, Exit.REFUSED),
    Code.MODEL_NOT_FOUND: Meaning(404, Exit.NOT_FOUND),
    Code.NOT_FOUND: Meaning(404, Exit.NOT_FOUND),
    Code.METHOD_NOT_ALLOWED: Meaning(405, Exit.FAILURE),
    Code.CONTEXT_LENGTH_EXCEEDED: Meaning(400, Exit.FAILURE),
    Code.BODY_TOO_LARGE: Meaning(413, Exit.FAILURE),
    Code.UNSUPPORTED_MODEL: Meaning(400, Exit.FAILURE),
    Code.UNSUPPORTED: Meaning(501, Exit.FAILURE),
    Code.IN_USE: Meaning(409, Exit.REFUSED),
    Code.PINNED: Meaning(409, Exit.REFUSED),
    Code.CONFIRMATION_REQUIRED: Meaning(409, Exit.REFUSED),
    Code.INSUFFICIENT_MEMORY: Meaning(507, Exit.REFUSED),
    Code.MEMORY_BUSY: Meaning(503, Exit.REFUSED),
    Code.QUEUE_FULL: Meaning(503, Exit.REFUSED),
    Code.SHUTTING_DOWN: Meaning(503, Exit.UNREACHABLE),
    Code.LOAD_FAILED: Meaning(500, Exit.FAILURE),
    Code.PULL_FAILED: Meaning(502, Exit.FAILURE),
    Code.WORKER_CRASHED: Meaning(500, Exit.FAILURE),
    Code.WORKER_STUCK: Meaning(503, Exit.FAILURE),
    Code.GENERATION_FAILED: Meaning(500, Exit.FAILURE),
    Code.CANCELLED: Meaning(499, Exit.INTERRUPTED),
    Code.TIMEOUT: Meaning(504, Exit.FAILURE),
    Code.DAEMON_UNREACHABLE: Meaning(503, Exit.UNREACHABLE),
    Code.HOME_UNUSABLE: Meaning(503, Exit.UNREACHABLE),
    Code.NOT_READY: Meaning(503, Exit.NOT_READY),
    Code.PORT_IN_USE: Meaning(503, Exit.FAILURE),
    Code.ALREADY_RUNNING: Meaning(409, Exit.FAILURE),
    Code.CACHE_LOCKED: Meaning(409, Exit.REFUSED),
    Code.CACHE_FULL: Meaning(507, Exit.REFUSED),
    Code.CACHE_UNUSABLE: Meaning(503, Exit.FAILURE),
    Code.INTERNAL: Meaning(500, Exit.FAILURE),
}


class ErrorBody(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One error on a wire: `code` for programs, `message` and `hint` for people."""

    code: Code
    message: str
    hint: str = ""
    param: str = ""
    retry_after_s: float = 0.0
    prompt_tokens: int = 0
    """How long a prompt is that is too long."""
    limit_tokens: int = 0
    """How long it may be."""


class ErrorReply(msgspec.Struct, frozen=True):
    """The document that carries an error: `{"error": {...}}`."""

    error: ErrorBody


class OmlxError(Exception):
    """The one error type that crosses module borders; every other exception is a bug or is translated to it."""

    def __init__(
        self, code: Code, message: str, hint: str = "", *, param: str = "", retry_after_s: float = 0.0
    ) -> None:
        super().__init__(message)
        self.body = ErrorBody(code=code, message=message, hint=hint, param=param, retry_after_s=retry_after_s)

    @classmethod
    def of(cls, body: ErrorBody) -> OmlxError:
        """Return the error that `body` describes."""
        error = cls(body.code, body.message)
        error.body = body
        return error

    @property
    def code(self) -> Code:
        """The error's code."""
        return self.body.code

    @property
    def meaning(self) -> Meaning:
        """The error's HTTP status and exit code."""
        return MEANINGS[self.body.code]
