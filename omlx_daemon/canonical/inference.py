"""Inference whose prompts are made stable first, whatever dialect they came in."""

from __future__ import annotations

from collections.abc import AsyncIterator

import msgspec

from omlx_daemon.canonical.chosen import ChosenRules
from omlx_daemon.canonical.rules import canonical
from omlx_daemon.core.events import Event
from omlx_daemon.core.ports import Inference
from omlx_daemon.core.requests import ChatPrompt, GenerationRequest, Message, Prompt, SystemPrompt


class CanonicalInference:
    """Implements `core.ports.Inference` over another one."""

    def __init__(self, inference: Inference, chosen: ChosenRules) -> None:
        self._inference = inference
        self._chosen = chosen

    def generate(self, request: GenerationRequest) -> AsyncIterator[Event]:
        """Return the events of `request` with its prompt made stable; see `core.ports.Inference`."""
        prompt = self._stable(request.prompt, request.model)
        if prompt is not request.prompt:
            request = msgspec.structs.replace(request, prompt=prompt)
        return self._inference.generate(request)

    def _stable(self, prompt: Prompt, model: str) -> Prompt:
        if isinstance(prompt, SystemPrompt):
            return self._stable_system(prompt, model)
        if not isinstance(prompt, ChatPrompt):
            return prompt
        after, applied = canonical(prompt, self._chosen.of(model))
        self._chosen.applied(applied)
        return after

    def _stable_system(self, prompt: SystemPrompt, model: str) -> SystemPrompt:
        """Have a pinned system text begin as the chats do that it is kept for."""
        turn = Message(role="system", content=prompt.system)
        after, applied = canonical(ChatPrompt(messages=(turn,)), self._chosen.of(model))
        self._chosen.applied(applied)
        return msgspec.structs.replace(prompt, system=after.messages[0].content)
