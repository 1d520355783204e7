"""Why a prompt was not reused as far as it could have been."""

from __future__ import annotations

from enum import StrEnum

import msgspec


class MissCause(StrEnum):
    """What kept a part of a prompt from being reused."""

    NONE = "none"
    """Nothing: what earlier prompts share with this one was reused."""
    NEW_PROMPT = "new-prompt"
    """Nothing that begins like this was asked before."""
    HEADER = "header"
    """A header line inside the system text changes with each request."""
    COUNTER = "counter"
    """A counter, a date or a time in the text changes."""
    SYSTEM_HOISTED = "system-hoisted"
    """A system message of the conversation's middle stands at its top now."""
    TOOLS_REORDERED = "tools-reordered"
    """The same tools came in another order or spelling."""
    TOOLS_CHANGED = "tools-changed"
    """Tools were added, removed or described otherwise."""
    REASONING_STRIPPED = "reasoning-stripped"
    """Reasoning of an earlier answer is not in the history any more."""
    HISTORY_CHANGED = "history-changed"
    """Another part of what was said before is different now."""
    TEMPLATE_CHANGED = "template-changed"
    """The chat template, the tokenizer or another part of the model is not what it was."""
    EVICTED = "evicted"
    """It was stored, and made room for something else."""
    PRUNED = "pruned"
    """It was stored, and removed by command or by hand."""
    NOT_COMMITTED = "not-committed"
    """The request that computes it had not stored it yet."""
    NOT_STORED = "not-stored"
    """The request that computed it was not to store it, or there was no room for it."""
    BELOW_GATE = "below-gate"
    """Computing it is faster than reading it."""
    NO_CHECKPOINT = "no-checkpoint"
    """The model can be resumed at chosen places alone, and none lies near the end of what is shared."""
    DAMAGED = "damaged"
    """A stored block was damaged or missing."""
    OFF = "off"
    """Prefixes of the model are not cached."""

    @property
    def is_miss(self) -> bool:
        """Whether something was computed that need not have been."""
        return self not in (MissCause.NONE, MissCause.NEW_PROMPT)


class MissInfo(msgspec.Struct, frozen=True, kw_only=True):
    """A miss in a row of a request."""

    cause: MissCause
    at_tokens: int = 0
    """Prompt tokens up to the place where reuse ended."""
    detail: str = ""
    """What exactly, such as the name of a changed file."""
    advice: str = ""
