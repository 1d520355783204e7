"""A stand-in for inference: each model name is a script of events."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import AsyncIterator, Callable
from functools import partial

from omlx_cli.contract.errors import Code, ErrorBody
from omlx_daemon.core.errors import model_not_found, prompt_too_long, queue_full
from omlx_daemon.core.events import (
    Alternative,
    Event,
    Failed,
    Finished,
    FinishReason,
    Loading,
    Prefill,
    Queued,
    Reasoning,
    Text,
    TokenLogprob,
    ToolCall,
    Usage,
)
from omlx_daemon.core.requests import ChatPrompt, GenerationRequest, TextPrompt, TokenPrompt

WORDS = ("The", " sky", " is", " blue", ".")
PROMPT_TOKENS = 7


class ScriptedInference:
    """Plays the script that the model's name says, and remembers what it was asked and what was cancelled."""

    def __init__(self) -> None:
        self.any_name = False
        """Whether an unknown name plays the first script, instead of being refused."""
        self.go = threading.Event()
        """Until it is set, scripts that load, or read a long prompt, wait before they end that."""
        self.go.set()
        self.requests: list[GenerationRequest] = []
        self.closed: set[str] = set()
        self.started: set[str] = set()

    async def generate(self, request: GenerationRequest) -> AsyncIterator[Event]:
        """Play one script."""
        self.requests.append(request)
        self.started.add(request.id)
        try:
            async for event in self._script(request):
                yield event
        finally:
            self.closed.add(request.id)

    def _script(self, request: GenerationRequest) -> AsyncIterator[Event]:
        scripts: dict[str, Callable[[GenerationRequest], AsyncIterator[Event]]] = {
            "sky": _answer,
            "org/sky": _answer,
            "endless": _endless,
            "loading": _loading,
            "loading-slowly": partial(_loading_slowly, self.go),
            "loading-in-vain": partial(_loading_in_vain, self.go),
            "prefilling": partial(_prefilling, self.go),
            "restored": _restored,
            "starved": _starved,
            "full": _full,
            "long": _long,
            "crashing": _crashing,
            "raising": _raising,
            "raising-late": _raising_late,
            "silent": _silent,
            "thinking": _thinking,
            "agent": _agent,
            "taking-back": _taking_back,
            "unenforceable": _unenforceable,
        }
        if request.count_only and (self.any_name or request.model in scripts):
            return _count(request)
        if self.any_name:
            return scripts.get(request.model, _answer)(request)
        if request.model not in scripts:
            raise model_not_found(request.model, list(scripts))
        return scripts[request.model](request)


def logprob(text: str, count: int) -> TokenLogprob:
    """Return a token with `count` alternatives."""
    top = tuple(Alternative(text=f"{text}~{rank}", logprob=-1.0 - rank) for rank in range(count - 1))
    chosen = Alternative(text=text, logprob=-0.25, token_bytes=text.encode())
    return TokenLogprob(chosen=chosen, top=(chosen, *top) if count else ())


def usage(request: GenerationRequest, tokens: int) -> Usage:
    """Return what a script cost; later choices find more in the cache than the first."""
    choice = int(request.id.rpartition(".")[2])
    return Usage(prompt_tokens=PROMPT_TOKENS, completion_tokens=tokens, cached_hot_tokens=min(2 + choice, 6))


async def _answer(request: GenerationRequest) -> AsyncIterator[Event]:
    yield Queued(prompt_tokens=PROMPT_TOKENS)
    yield Prefill(done_tokens=2, total_tokens=PROMPT_TOKENS, cached_hot_tokens=2)
    if request.echo and isinstance(request.prompt, TextPrompt):
        yield Text(text=request.prompt.text)
    sampling = request.sampling
    words = WORDS[: sampling.max_tokens or len(WORDS)]
    for word in words:
        if word.strip() in sampling.stop:
            yield Finished(reason=FinishReason.STOP, usage=usage(request, 1), stop_text=word)
            return
        report = () if sampling.logprobs is None else (logprob(word, sampling.logprobs),)
        yield Text(text=word, logprobs=report)
        await asyncio.sleep(0)
    reason = FinishReason.STOP if len(words) == len(WORDS) else FinishReason.LENGTH
    yield Finished(reason=reason, usage=usage(request, len(words)))


async def _endless(_: GenerationRequest) -> AsyncIterator[Event]:
    yield Queued()
    while True:
        yield Text(text="on ")
        await asyncio.sleep(0.001)


async def _loading(_: GenerationRequest) -> AsyncIterator[Event]:
    await asyncio.Event().wait()
    yield Queued()


async def _loading_slowly(go: threading.Event, request: GenerationRequest) -> AsyncIterator[Event]:
    yield Loading(share=0.25)
    await _held(go, 0.1)
    yield Loading(share=0.75)
    await asyncio.sleep(0.1)
    yield Queued(prompt_tokens=PROMPT_TOKENS)
    yield Text(text="ok")
    yield Finished(reason=FinishReason.STOP, usage=usage(request, 1))


async def _loading_in_vain(go: threading.Event, _: GenerationRequest) -> AsyncIterator[Event]:
    yield Loading(share=0.25)
    await _held(go, 0.1)
    yield Failed(error=ErrorBody(code=Code.LOAD_FAILED, message="loading-in-vain did not load"))


async def _prefilling(go: threading.Event, request: GenerationRequest) -> AsyncIterator[Event]:
    yield Queued(position=3)
    for done in range(1, 4):
        await asyncio.sleep(0.02)
        yield Prefill(done_tokens=done * 100, total_tokens=300)
    await _held(go, 0.2)
    yield Text(text="ok")
    yield Finished(reason=FinishReason.STOP, usage=usage(request, 1))


async def _held(go: threading.Event, pause_s: float) -> None:
    await asyncio.sleep(pause_s)
    while not go.is_set():
        await asyncio.sleep(0.005)


async def _restored(_: GenerationRequest) -> AsyncIterator[Event]:
    yield Queued(prompt_tokens=PROMPT_TOKENS)
    await asyncio.sleep(0.02)
    yield Prefill(done_tokens=6, total_tokens=PROMPT_TOKENS, cached_hot_tokens=1, cached_cold_tokens=4)
    await asyncio.sleep(0.02)
    yield Text(text="ok")
    spent = Usage(prompt_tokens=PROMPT_TOKENS, completion_tokens=1, cached_hot_tokens=1, cached_cold_tokens=4)
    yield Finished(reason=FinishReason.STOP, usage=spent)


async def _starved(_: GenerationRequest) -> AsyncIterator[Event]:
    yield Queued(prompt_tokens=PROMPT_TOKENS)
    await asyncio.Event().wait()


async def _full(_: GenerationRequest) -> AsyncIterator[Event]:
    yield Failed(error=queue_full(512).body)


async def _long(_: GenerationRequest) -> AsyncIterator[Event]:
    yield Failed(error=prompt_too_long(9018, 8192).body)


async def _crashing(_: GenerationRequest) -> AsyncIterator[Event]:
    yield Queued()
    yield Text(text="The")
    yield Failed(error=ErrorBody(code=Code.WORKER_CRASHED, message="the worker of crashing ended: signal 9"))


async def _raising(request: GenerationRequest) -> AsyncIterator[Event]:
    if request.id:
        raise RuntimeError("/secret/place")
    yield Queued()


async def _raising_late(_: GenerationRequest) -> AsyncIterator[Event]:
    yield Queued()
    await asyncio.sleep(0.01)
    raise RuntimeError("/secret/place")


async def _silent(_: GenerationRequest) -> AsyncIterator[Event]:
    yield Queued()


async def _thinking(request: GenerationRequest) -> AsyncIterator[Event]:
    yield Queued()
    yield Reasoning(text="Hm")
    yield Reasoning(text="m.")
    yield ToolCall(index=0, id="call_1", name="look", arguments='{"at":')
    yield ToolCall(index=0, arguments='"sky"}')
    yield ToolCall(index=0, token_ids=(7,))
    yield ToolCall(index=1, id="call_2", name="think", arguments="{}")
    yield Finished(reason=FinishReason.TOOL_CALLS, usage=Usage(completion_tokens=9, reasoning_tokens=2))


async def _count(request: GenerationRequest) -> AsyncIterator[Event]:
    if request.model == "crashing":
        yield Failed(error=ErrorBody(code=Code.WORKER_CRASHED, message="the worker of crashing ended: signal 9"))
        return
    yield Queued(prompt_tokens=PROMPT_TOKENS)
    yield Finished(reason=FinishReason.STOP, usage=Usage(prompt_tokens=PROMPT_TOKENS))


async def _agent(_: GenerationRequest) -> AsyncIterator[Event]:
    yield Queued(prompt_tokens=1000)
    yield Prefill(done_tokens=600, total_tokens=1000, cached_hot_tokens=400, cached_cold_tokens=112)
    yield Reasoning(text="Two places")
    yield Reasoning(text=" to look.")
    yield Text(text="\n\n")
    yield Text(text="I will look")
    yield Text(text="")
    yield Text(text=".")
    yield Text(text="\n")
    yield ToolCall(index=0, id="call_1", name="look", arguments='{"at":')
    yield ToolCall(index=0, arguments=' "sky"}')
    yield Text(text="\n")
    yield ToolCall(index=1, id="call_2", name="wait")
    usage = Usage(
        prompt_tokens=1000,
        completion_tokens=40,
        cached_hot_tokens=400,
        cached_cold_tokens=112,
        stored_tokens=487,
        reasoning_tokens=6,
    )
    yield Finished(reason=FinishReason.TOOL_CALLS, usage=usage)


async def _taking_back(_: GenerationRequest) -> AsyncIterator[Event]:
    yield Queued(prompt_tokens=PROMPT_TOKENS)
    yield ToolCall(index=0, id="call_1", name="look", arguments='{"at":')
    yield ToolCall(index=0, void=True)
    yield Text(text='<tool_call>{"at": sky}</tool_call>')
    usage = Usage(prompt_tokens=PROMPT_TOKENS, completion_tokens=9)
    yield Finished(reason=FinishReason.STOP, usage=usage, warnings=("a tool call cannot be read",))


async def _unenforceable(request: GenerationRequest) -> AsyncIterator[Event]:
    asks_for_form = request.response_format is not None
    field = "response_format" if asks_for_form else "tools[1].function.parameters"
    yield Failed(error=ErrorBody(code=Code.INVALID_REQUEST, message=f"{field} cannot be enforced: not", param=field))


def text_of(request: GenerationRequest) -> str:
    """Return the text of a request's prompt, whatever its form."""
    match request.prompt:
        case ChatPrompt():
            return "|".join(f"{message.role}:{message.content}" for message in request.prompt.messages)
        case TextPrompt():
            return request.prompt.text
        case TokenPrompt():
            return ",".join(map(str, request.prompt.token_ids))
        case prompt:
            raise AssertionError(f"no request of the API has a {type(prompt).__name__}")
