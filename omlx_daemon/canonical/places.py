"""Where system messages stand."""

from __future__ import annotations

from itertools import dropwhile

import msgspec

from omlx_daemon.canonical.turns import SYSTEM
from omlx_daemon.core.requests import ChatPrompt


def system_in_place(prompt: ChatPrompt) -> ChatPrompt:
    """Have system messages of the conversation's middle stay there; the worker knows whether its template can."""
    rest = dropwhile(lambda message: message.role in SYSTEM, prompt.messages)
    if prompt.system_in_place or not any(message.role in SYSTEM for message in rest):
        return prompt
    return msgspec.structs.replace(prompt, system_in_place=True)
