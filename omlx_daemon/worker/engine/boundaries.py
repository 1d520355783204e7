"""Where a chat's own part begins: up to there it has the tokens of every chat with the same system text and tools."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Sequence
from itertools import takewhile

import msgspec

from omlx_cli.contract.errors import OmlxError
from omlx_daemon.core.requests import ChatPrompt, Message
from omlx_daemon.worker.engine.ports import Encoder

_HEAD_ROLES = ("system", "developer")
_UNLIKE = ("a", "Zebra")
"""Two questions that have nothing in common."""
_MAX_KNOWN = 64


class Boundaries:
    """Finds stable prefixes, and remembers those of late. Called on the tokenising thread alone."""

    def __init__(self, encoder: Encoder) -> None:
        self._encoder = encoder
        self._known: OrderedDict[bytes, list[int]] = OrderedDict()

    def prefix(self, head: ChatPrompt) -> list[int]:
        """Return the tokens that every chat begins with whose system text and tools are those of `head`.

        Raises OmlxError where the model's template refuses them.
        """
        key = msgspec.msgpack.encode(head)
        found = self._known.get(key)
        if found is None:
            found = self._known[key] = self._common(head)
            if len(self._known) > _MAX_KNOWN:
                self._known.popitem(last=False)
        self._known.move_to_end(key)
        return found

    def of(self, prompt: ChatPrompt, tokens: Sequence[int]) -> tuple[int, ...]:
        """Return the positions in `tokens`, the rendered `prompt`, that other chats are likely to share."""
        turns = tuple(takewhile(lambda message: message.role in _HEAD_ROLES, prompt.messages))
        if not turns and not prompt.tools:
            return ()
        try:
            prefix = self.prefix(msgspec.structs.replace(prompt, messages=turns, continues=False))
        except OmlxError:
            return ()
        shared = common_tokens(prefix, tokens)
        return (shared,) if shared else ()

    def _common(self, head: ChatPrompt) -> list[int]:
        chats = [
            self._encoder.encode_chat(
                msgspec.structs.replace(head, messages=(*head.messages, Message(role="user", content=text)))
            )
            for text in _UNLIKE
        ]
        return chats[0][: common_tokens(*chats)]


def common_tokens(one: Sequence[int], other: Sequence[int]) -> int:
    """Return how many leading tokens two sequences share."""
    return sum(1 for _ in takewhile(lambda pair: pair[0] == pair[1], zip(one, other, strict=False)))
