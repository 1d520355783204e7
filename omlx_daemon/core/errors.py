"""The errors that several layers raise, each with its message in one place."""

from __future__ import annotations

from difflib import get_close_matches

from omlx_cli.contract.errors import Code, ErrorBody, OmlxError


def model_not_found(name: str, known: list[str]) -> OmlxError:
    """Return the error for an unknown model, naming near matches among `known`."""
    near = get_close_matches(name.lower(), known, n=3, cutoff=0.5)
    hint = f"did you mean {', '.join(near)}?" if near else f"omlx pull {name}  fetches it; omlx ls  lists what is here"
    return OmlxError(Code.MODEL_NOT_FOUND, f"model {name!r} is not here", hint, param="model")


def prompt_too_long(prompt_tokens: int, limit_tokens: int) -> OmlxError:
    """Return the error for a prompt over the context, with the two counts."""
    return OmlxError.of(
        ErrorBody(
            code=Code.CONTEXT_LENGTH_EXCEEDED,
            message=f"the prompt has {prompt_tokens} tokens and the model's context is {limit_tokens} tokens",
            hint="shorten the prompt or use a model with a longer context",
            param="messages",
            prompt_tokens=prompt_tokens,
            limit_tokens=limit_tokens,
        )
    )


def kv_too_small(prompt_tokens: int, limit_tokens: int, need_bytes: int, limit_bytes: int) -> OmlxError:
    """Return the error for a prompt whose KV never fits into the memory that is allowed, with the numbers."""
    return OmlxError.of(
        ErrorBody(
            code=Code.INSUFFICIENT_MEMORY,
            message=f"the KV cache of {prompt_tokens} prompt tokens takes {_mib(need_bytes)} MiB and "
            f"{_mib(limit_bytes)} MiB are allowed, which is {limit_tokens} tokens with the answer",
            hint="shorten the prompt, unload other models, or raise memory.limit",
            param="messages",
            prompt_tokens=prompt_tokens,
            limit_tokens=limit_tokens,
        )
    )


def queue_full(limit: int) -> OmlxError:
    """Return the error for a request over the queue's limit."""
    return OmlxError(Code.QUEUE_FULL, f"{limit} requests are waiting already", "try again shortly", retry_after_s=1.0)


def shutting_down() -> OmlxError:
    """Return the error for a request that came while the daemon drains."""
    return OmlxError(Code.SHUTTING_DOWN, "the daemon is stopping", "try again in a moment", retry_after_s=2.0)


def timed_out() -> OmlxError:
    """Return the error for a request whose deadline has passed."""
    return OmlxError(Code.TIMEOUT, "the request's deadline has passed", "allow it more time")


def cancelled_by_command() -> OmlxError:
    """Return the error for a request that was cancelled by its id."""
    return OmlxError(Code.CANCELLED, "the request was cancelled by command")


def worker_stuck(model: str, seconds: float) -> OmlxError:
    """Return the error for the requests of a worker that had to be ended because it made no step."""
    return OmlxError(
        Code.WORKER_STUCK,
        f"the worker of {model} made no step for {seconds:.0f} s and was ended",
        "try again: what was computed of the prompt is kept",
        retry_after_s=1.0,
    )


def worker_crashed(model: str, detail: str) -> OmlxError:
    """Return the error for the requests of a worker that died."""
    return OmlxError(
        Code.WORKER_CRASHED, f"the worker of {model} ended: {detail}", "the next request starts a new worker"
    )


def unseen(why: str) -> OmlxError:
    """Return the refusal to remove what no model here uses, as long as not every model is seen."""
    return OmlxError(Code.CACHE_UNUSABLE, f"nothing is removed, since models may be here all the same: {why}")


def _mib(size_bytes: int) -> int:
    return -(-size_bytes // (1 << 20))
