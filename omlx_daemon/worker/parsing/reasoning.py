"""How models set their reasoning apart."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class ReasoningFormat:
    """Reasoning between two markers.

    One that may stand `anywhere` is found anywhere in an answer; any other only where an answer begins, or goes on
    after reasoning or a call, so that an answer may speak of the marker.
    """

    name: str
    start: str
    end: str
    anywhere: bool = False
    dropped: tuple[str, ...] = ()
    """Markers around visible text, which are no part of it."""

    def is_open(self, prompt: str, continued: str = "") -> bool:
        """Tell whether `prompt`, or its end, opens reasoning that the answer goes on with.

        Of an answer that goes on, `continued` is what the prompt holds of it.
        """
        if continued:
            return continued.rfind(self.start) > continued.rfind(self.end)
        opened = prompt.rpartition(self.start)
        return bool(opened[1]) and not opened[2].strip()


FORMATS = (
    ReasoningFormat("think", "<think>", "</think>"),
    ReasoningFormat("longcat", "<longcat_think>", "</longcat_think>"),
    ReasoningFormat("think_tokens", "<|think:start|>", "<|think:end|>"),
    ReasoningFormat("seed", "<seed:think>", "</seed:think>"),
    ReasoningFormat("mistral", "[THINK]", "[/THINK]"),
    ReasoningFormat("cohere", "<|START_THINKING|>", "<|END_THINKING|>"),
    ReasoningFormat("gemma4", "<|channel>thought", "<channel|>", anywhere=True),
    ReasoningFormat(
        "kimi_k3",
        "<|open|>think<|sep|>",
        "<|close|>think<|sep|>",
        anywhere=True,
        dropped=("<|open|>response<|sep|>", "<|close|>response<|sep|>", "<|close|>message<|sep|>"),
    ),
)
"""The ones that are known, by name."""


def reasoning_named(name: str) -> ReasoningFormat | None:
    """Return the format called `name`; None where there is none."""
    return next((found for found in FORMATS if found.name == name), None)
