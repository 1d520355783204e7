"""Begins the answer of a request: knows which of its parts are reasoning and calls, and what cannot be heeded."""

from __future__ import annotations

from collections.abc import Sequence

from omlx_daemon.core.requests import ChatPrompt, GenerationRequest, ToolMode
from omlx_daemon.worker.engine.answer import Answer
from omlx_daemon.worker.engine.ports import Encoder, ModelFacts, Vocabulary
from omlx_daemon.worker.engine.reasoning import directed, unheeded
from omlx_daemon.worker.parsing.segments import PlainSplitter, Splitter

NO_TOOLS = "the model's chat template shows it no tools, so it cannot call them"
NO_FORMAT = "how this model writes tool calls is not known: a call is given as text"

_TAIL_TOKENS = 32
"""As much of a prompt's end as may open the model's reasoning."""


class Answers:
    """Makes answers for one model. Called on the tokenising thread alone."""

    def __init__(self, encoder: Encoder, vocabulary: Vocabulary, facts: ModelFacts) -> None:
        self._encoder = encoder
        self._vocabulary = vocabulary
        self._traits = facts.traits
        self._style = facts.style

    def directed(self, request: GenerationRequest) -> GenerationRequest:
        """Return `request` with its reasoning options in the words of the model's template."""
        return directed(request, self._traits)

    def begin(self, request: GenerationRequest, prompt: Sequence[int]) -> Answer:
        """Return the answer to `request`, whose prompt has the tokens `prompt`."""
        return Answer(
            self._vocabulary,
            request.sampling.stop,
            self._splitter(request, prompt),
            most_calls=0 if request.tool_choice.parallel else 1,
            warnings=self._warnings(request),
        )

    def opens_reasoning(self, request: GenerationRequest, prompt: Sequence[int]) -> bool:
        """Tell whether the prompt opens reasoning that the answer goes on with."""
        chat, reasoning = request.prompt, self._style.reasoning
        if not isinstance(chat, ChatPrompt) or reasoning is None:
            return False
        return reasoning.is_open(self._encoder.decode(prompt[-_TAIL_TOKENS:]), _continued(chat))

    def _splitter(self, request: GenerationRequest, prompt: Sequence[int]) -> Splitter:
        chat = request.prompt
        if not isinstance(chat, ChatPrompt):
            return PlainSplitter()
        return self._style.splitter(
            inside=self.opens_reasoning(request, prompt), parses=_may_call(request, chat), offered=chat.tools
        )

    def _warnings(self, request: GenerationRequest) -> tuple[str, ...]:
        chat, found = request.prompt, []
        if not isinstance(chat, ChatPrompt):
            return ()
        if _may_call(request, chat) and not self._traits.takes_tools:
            found.append(NO_TOOLS)
        elif _may_call(request, chat) and self._style.tools is None:
            found.append(NO_FORMAT)
        if problem := unheeded(request.reasoning, self._traits):
            found.append(problem)
        return tuple(found)


def _may_call(request: GenerationRequest, chat: ChatPrompt) -> bool:
    return bool(chat.tools) and request.tool_choice.mode is not ToolMode.NONE


def _continued(chat: ChatPrompt) -> str:
    """Return the beginning of the answer that the prompt holds."""
    return chat.messages[-1].content if chat.continues and chat.messages else ""
