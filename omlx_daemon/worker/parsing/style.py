"""How one model writes its answers: everything that is known by name, and the splitter of one answer."""

from __future__ import annotations

from dataclasses import dataclass

from omlx_daemon.core.templates import TemplateTraits
from omlx_daemon.worker.parsing.channels import HARMONY, MUSE_SPARK, Channels, ChannelSplitter
from omlx_daemon.worker.parsing.formats import ToolFormat, Tools
from omlx_daemon.worker.parsing.functional import FunctionGemma, Gemma4, Pythonic
from omlx_daemon.worker.parsing.json_calls import JsonTools
from omlx_daemon.worker.parsing.marked import DeepSeekV3, KimiK2, Mistral
from omlx_daemon.worker.parsing.reasoning import ReasoningFormat, reasoning_named
from omlx_daemon.worker.parsing.segments import PlainSplitter, Splitter
from omlx_daemon.worker.parsing.splitter import MarkedSplitter
from omlx_daemon.worker.parsing.tagged import (
    DeepSeekV32,
    Glm47,
    KimiK3,
    Laguna,
    Longcat,
    MiniCpm5,
    MinimaxM2,
    Qwen3Coder,
)

_CHANNELS = {channels.tools.name: channels for channels in (HARMONY, MUSE_SPARK)}
_KNOWN: tuple[ToolFormat, ...] = (
    JsonTools(), Qwen3Coder(), MinimaxM2(), MiniCpm5(), Glm47(), Laguna(), Longcat(), KimiK2(), KimiK3(), Mistral(),
    DeepSeekV3(), DeepSeekV32(), Gemma4(), FunctionGemma(), Pythonic(),
)  # fmt: skip
FORMATS: dict[str, ToolFormat] = {
    **{known.name: known for known in _KNOWN},
    **{name: channels.tools for name, channels in _CHANNELS.items()},
}
"""Every tool format that is known, by name."""


@dataclass(frozen=True, slots=True)
class AnswerStyle:
    """How a model writes its answers; None where it has no such thing, or none that is known."""

    tools: ToolFormat | None = None
    reasoning: ReasoningFormat | None = None
    channels: Channels | None = None

    def splitter(self, *, inside: bool = False, parses: bool = False, offered: Tools = ()) -> Splitter:
        """Return a splitter of one answer to a chat; `inside` where the prompt opens its reasoning.

        Calls of the `offered` tools are read where it `parses` them, and are text where not.
        """
        if self.channels:
            return ChannelSplitter(self.channels, parses=parses, offered=offered)
        tools = self.tools if parses else None
        if self.reasoning is None and tools is None:
            return PlainSplitter()
        return MarkedSplitter(self.reasoning, tools, offered, inside=inside)


def style_of(traits: TemplateTraits, foreign: ToolFormat | None = None) -> AnswerStyle:
    """Return the style of a model with these `traits`; `foreign` reads calls in a format that is not known here."""
    return AnswerStyle(
        tools=FORMATS.get(traits.tool_format, foreign),
        reasoning=reasoning_named(traits.reasoning_format),
        channels=_CHANNELS.get(traits.tool_format),
    )
