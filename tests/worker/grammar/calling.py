"""Models of bytes that call tools in one format or another, and what is asked of them."""

from __future__ import annotations

from pathlib import Path
from random import Random
from typing import Any

from mlx_lm.tokenizer_utils import load

from omlx_daemon.core.requests import ChatPrompt, GenerationRequest, Message, ResponseFormat, ToolChoice, ToolMode
from omlx_daemon.core.templates import TemplateTraits
from omlx_daemon.worker.backend.grammar.compiler import Compiler
from omlx_daemon.worker.backend.grammar.follower import Follower
from omlx_daemon.worker.backend.tokenizer import ModelTokenizer
from omlx_daemon.worker.engine.ports import ModelFacts
from omlx_daemon.worker.grammar.answers import wanted
from omlx_daemon.worker.parsing.style import FORMATS, AnswerStyle, style_of
from tests.parsing.splitting import Said, said
from tests.worker.grammar.walking import walk
from tests.worker.models import END, START, write_tokenizer

BAR, LOW = "\uff5c", "\u2581"
MARKERS = {
    "json_tools": ["<tool_call>", "</tool_call>"],
    "qwen3_coder": ["<tool_call>", "</tool_call>"],
    "glm47": ["<tool_call>", "</tool_call>", "<arg_key>", "</arg_key>", "<arg_value>", "</arg_value>"],
    "laguna": ["<tool_call>", "</tool_call>", "<arg_key>", "</arg_key>", "<arg_value>", "</arg_value>"],
    "longcat": ["<longcat_tool_call>", "</longcat_tool_call>", "<longcat_arg_key>", "</longcat_arg_key>",
                "<longcat_arg_value>", "</longcat_arg_value>"],
    "minimax_m2": ["<minimax:tool_call>", "</minimax:tool_call>"],
    "minicpm5": [],
    "kimi_k2": ["<|tool_calls_section_begin|>", "<|tool_calls_section_end|>", "<|tool_call_begin|>",
                "<|tool_call_argument_begin|>", "<|tool_call_end|>"],
    "kimi_k3": ["<|open|>", "<|close|>", "<|sep|>"],
    "mistral": ["[TOOL_CALLS]", "[ARGS]"],
    "deepseek_v3": [f"<{BAR}tool{LOW}{word}{BAR}>" for word in
                    (f"calls{LOW}begin", f"calls{LOW}end", f"call{LOW}begin", f"call{LOW}end", "sep")],
    "deepseek_v32": [],
    "gemma4": ["<|tool_call>", "<tool_call|>", '<|"|>'],
    "function_gemma": ["<start_function_call>", "<end_function_call>", "<escape>"],
    "pythonic": ["<|tool_call_start|>", "<|tool_call_end|>"],
    "harmony": ["<|channel|>", "<|message|>", "<|constrain|>", "<|start|>", "<|end|>"],
}  # fmt: skip
"""The formats whose calls can be enforced, with what their models have tokens for."""
OTHERS = sorted(FORMATS.keys() - MARKERS.keys())
PHRASES = (
    '"', "}", "]", ",", "</parameter>", "</param>", "</arg_value>", "</longcat_arg_value>",
    f"</{BAR}DSML{BAR}parameter>", "</think>", "<think>", "<|end|>", '<|"|>', "<escape>",
)  # fmt: skip
"""What random letters would not come to."""
THINKING = ["<think>", "</think>"]
WEATHER: dict[str, Any] = {
    "type": "object",
    "properties": {
        "city": {"type": "string"},
        "unit": {"enum": ["celsius", "fahrenheit"]},
        "days": {"type": "integer", "minimum": 1, "maximum": 14},
        "exact": {"type": "boolean"},
        "near": {"type": "array", "items": {"$ref": "#/$defs/place"}, "maxItems": 2},
        "note": {"type": ["string", "null"]},
    },
    "required": ["city", "unit", "days", "near"],
    "additionalProperties": False,
    "$defs": {
        "place": {
            "type": "object",
            "properties": {"lat": {"type": "number", "minimum": -90, "maximum": 90}},
            "required": ["lat"],
            "additionalProperties": False,
        }
    },
}
TIME: dict[str, Any] = {"type": "object", "properties": {}, "additionalProperties": False}
SCHEMAS = {"get_weather": WEATHER, "now": TIME, "free": {"type": "object"}}


def tool(name: str, parameters: dict[str, Any] | None, *, strict: bool = True) -> dict[str, object]:
    function: dict[str, object] = {"name": name, "strict": strict}
    return {"type": "function", "function": function | ({"parameters": parameters} if parameters else {})}


TOOLS = (tool("get_weather", WEATHER), tool("now", None))


class Model:
    """A byte vocabulary with a format's markers, as tokens or as mere text."""

    def __init__(self, folder: Path, style: AnswerStyle, markers: list[str]) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        write_tokenizer(folder)
        tokenizer = load(folder)
        tokenizer._tokenizer.add_tokens(markers, special_tokens=True)
        self.style = style
        self.tokenizer = ModelTokenizer(tokenizer)
        facts = ModelFacts(0, START + 1 + len(markers) + 40, frozenset({END}))
        self.compiler = Compiler(self.tokenizer, facts)
        self._phrases = [self.tokenizer.encode_text(phrase) for phrase in (*PHRASES, *markers)]

    def answer(self, request: GenerationRequest, seed: int, *, inside: bool = False) -> str:
        """Return the text of a random answer."""
        found = wanted(request, self.style, self.compiler.markers, inside=inside)
        assert found is not None
        follower = Follower(self.compiler.compile(*found))
        return self.tokenizer.decode(walk(follower, Random(seed), self._phrases, END))

    def said(self, request: GenerationRequest, seed: int, *, inside: bool = False) -> Said:
        """Return what a random answer comes to."""
        assert isinstance(request.prompt, ChatPrompt)
        splitter = self.style.splitter(inside=inside, parses=True, offered=request.prompt.tools)
        return said(splitter, [self.answer(request, seed, inside=inside)])


def model_of(name: str, folder: Path, *, tokens: bool = True, reasoning: str = "") -> Model:
    traits = TemplateTraits(takes_tools=True, tool_format=name, reasoning_format=reasoning)
    return Model(folder, style_of(traits), [*MARKERS.get(name, []), *(THINKING if reasoning else [])] if tokens else [])


def request(
    mode: ToolMode,
    name: str = "",
    *,
    tools: tuple[dict[str, object], ...] = TOOLS,
    parallel: bool = True,
    response_format: ResponseFormat | None = None,
) -> GenerationRequest:
    return GenerationRequest(
        id="r",
        model="m",
        prompt=ChatPrompt(messages=(Message(role="user", content="Hi"),), tools=tools),
        tool_choice=ToolChoice(mode=mode, name=name, parallel=parallel),
        response_format=response_format,
    )
