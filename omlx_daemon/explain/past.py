"""What models were before: under which namespaces their conversations were served, and what has changed since."""

from __future__ import annotations

import hashlib
from collections import OrderedDict
from collections.abc import Mapping

import msgspec

from omlx_daemon.core.requests import ChatPrompt, GenerationRequest, Prompt, TextPrompt, TokenPrompt

MAX_HEADS = 4096
_HEAD_CHARACTERS = 2000
_HEAD_TOKENS = 256
_NOT_THE_MODEL = ("model",)


class Past:
    """Event loop only. Remembers digests, no text."""

    def __init__(self) -> None:
        self._heads: OrderedDict[bytes, str] = OrderedDict()
        self._details: dict[str, Mapping[str, str]] = {}
        self._former: dict[str, Mapping[str, str]] = {}
        self._namespaces: dict[str, str] = {}

    def opened(self, model: str, namespace: str, details: Mapping[str, str], former: Mapping[str, str]) -> None:
        """Take note of the namespace that a model is served from, and of the latest other one on disk, if any."""
        self._details[namespace] = dict(details)
        self._former[model] = dict(former)
        self._namespaces[model] = namespace

    def change(self, request: GenerationRequest, model: str) -> str | None:
        """Return what of the model changed since the request's conversation was served; None where nothing did.

        Conversations of before the daemon's start are known by having answers in them already.
        """
        namespace = self._namespaces.get(model, "")
        key = _head(request, model)
        before = self._heads.get(key)
        self._heads[key] = namespace
        self._heads.move_to_end(key)
        if len(self._heads) > MAX_HEADS:
            self._heads.popitem(last=False)
        if before is not None:
            return self._changes(self._details.get(before, {}), namespace) if before != namespace else None
        former = self._former.get(model)
        return self._changes(former, namespace) if former and _is_under_way(request.prompt) else None

    def _changes(self, before: Mapping[str, str], namespace: str) -> str:
        now = self._details.get(namespace, {})
        names = [name for name in now if name in before and now[name] != before[name] and name not in _NOT_THE_MODEL]
        return ", ".join(names)


def _head(request: GenerationRequest, model: str) -> bytes:
    parts = (model, request.cache.salt, request.client, _begin(request.prompt))
    return hashlib.blake2b(msgspec.msgpack.encode(parts), digest_size=16).digest()


def _begin(prompt: Prompt) -> object:
    """Return what stays the same of a conversation's prompts."""
    match prompt:
        case ChatPrompt(messages=messages):
            first = next((message for message in messages if message.role != "system"), None)
            return [message for message in messages[:1] if message is not first], first
        case TextPrompt(text=text):
            return text[:_HEAD_CHARACTERS]
        case TokenPrompt(token_ids=token_ids):
            return token_ids[:_HEAD_TOKENS]
        case _:
            return prompt


def _is_under_way(prompt: Prompt) -> bool:
    return isinstance(prompt, ChatPrompt) and any(message.role == "assistant" for message in prompt.messages)
