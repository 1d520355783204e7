"""What a request asks of its answer, as a grammar."""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

from omlx_daemon.core.requests import ChatPrompt, GenerationRequest, ResponseFormat, ToolMode
from omlx_daemon.worker.grammar.frames import frame_named
from omlx_daemon.worker.grammar.offers import Offer, offers
from omlx_daemon.worker.grammar.rules import SPACE, Grammar, Rules
from omlx_daemon.worker.grammar.schema import enforced, refused
from omlx_daemon.worker.parsing.channels import HARMONY
from omlx_daemon.worker.parsing.style import AnswerStyle

FORMAT_FIELD = "response_format"
CHOICE_FIELD = "tool_choice"
_JSON_OBJECT = {"type": "object"}
_MESSAGE = "<|message|>"
_ANALYSIS = f"<|channel|>analysis{_MESSAGE}"
_PREAMBLE = f"<|channel|>commentary{_MESSAGE}"
_FINAL = "<|channel|>final"
_END = "<|end|>"
_NEXT = "<|start|>assistant"


class Wanted(NamedTuple):
    """A grammar, and the request's field that asks for it."""

    grammar: Grammar
    field: str


def wanted(
    request: GenerationRequest, style: AnswerStyle, markers: Mapping[str, int], *, inside: bool = False
) -> Wanted | None:
    """Return what an answer has to be; None where it is free.

    `style` is how the model writes what is no plain text, `markers` are its tokens that are no text; `inside` where the
    prompt opens its reasoning. Raises OmlxError(INVALID_REQUEST) for what cannot be enforced.
    """
    offered = offers(request)
    field = _field(request, offered)
    if not field:
        return None
    if isinstance(request.prompt, ChatPrompt) and request.prompt.continues:
        raise refused("the answer is begun already", field)
    if style.channels not in (None, HARMONY):
        raise refused("the model's way to answer allows no grammar", field)
    rules = Rules(markers)
    answer = _Answer(rules, style, request, offered)
    start = answer.in_channels() if style.channels else answer.plain(inside=inside)
    return Wanted(rules.grammar(start), field)


def _field(request: GenerationRequest, offered: tuple[Offer, ...]) -> str:
    """Return which field asks for a grammar, empty where none does."""
    choice = request.tool_choice
    if choice.mode in (ToolMode.REQUIRED, ToolMode.NAMED):
        return CHOICE_FIELD
    if request.response_format is not None:
        return FORMAT_FIELD
    return next((offer.field for offer in offered if offer.strict), "")


class _Answer:
    """The parts of one answer, as expressions."""

    def __init__(
        self, rules: Rules, style: AnswerStyle, request: GenerationRequest, offered: tuple[Offer, ...]
    ) -> None:
        self._rules = rules
        self._style = style
        self._request = request
        self._offered = offered
        self._frame = frame_named(style.tools.name, rules) if style.tools and offered else None
        self.call = self._call()
        """The calls of one frame, without the marker that they begin with; None where they cannot be enforced."""

    def plain(self, *, inside: bool) -> str:
        """Return an answer whose parts stand between markers."""
        reasoning = self._style.reasoning
        if reasoning is None:
            return self._body()
        thought = f"{self._rules.until(reasoning.end)} {SPACE}?"
        if not inside:
            thought = f"({self._rules.literal(reasoning.start)} {thought})?"
        return f"{thought} {self._body()}"

    def in_channels(self) -> str:
        """Return an answer that is messages with channels."""
        literal, until = self._rules.literal, self._rules.until
        analysis = self._rules.all_of(literal(_ANALYSIS), until(_END), literal(_NEXT))
        if self._must_call:
            return f"{analysis}* {self._first_call()}"
        if self._request.response_format is not None:
            value = f"{literal(_FINAL)} ({SPACE}? {literal('<|constrain|>json')})? {literal(_MESSAGE)} {self._value()}"
            return f"{analysis}* {self._or_call(value)}"
        preamble = self._rules.all_of(literal(_PREAMBLE), until(_END), literal(_NEXT))
        text = f"{literal(_FINAL + _MESSAGE)} {self._rules.text()}"
        return f"({analysis} | {preamble})* {self._or_call(text)}"

    @property
    def _must_call(self) -> bool:
        return self._request.tool_choice.mode in (ToolMode.REQUIRED, ToolMode.NAMED)

    def _body(self) -> str:
        if self._must_call:
            return self._first_call() + self._further_calls()
        if self._request.response_format is not None:
            return self._or_call(self._value(), self._further_calls())
        return self._text_and_calls()

    def _value(self) -> str:
        """Return the JSON that the answer's text is."""
        wish = self._request.response_format or ResponseFormat()
        schema = _JSON_OBJECT if wish.schema is None else wish.schema
        if not wish.strict:
            schema = {"type": schema["type"]} if "type" in schema else {}
        value = self._rules.json(enforced(schema, FORMAT_FIELD))
        dropped = self._style.reasoning.dropped if self._style.reasoning else ()
        if not dropped:
            return value
        return f"({self._rules.literal(dropped[0])})? {value} ({self._rules.literal(''.join(dropped[1:]))})?"

    def _or_call(self, value: str, further: str = "") -> str:
        """Return a choice between the answer's text and calls, where it may call."""
        if not self._offered or self._style.tools is None:
            return value
        if self.call is None:
            self._refuse_strict()
            return f"({value} | {self._marker()} {self._rules.text()})"
        return f"({value} | {self._first_call()}{further})"

    def _text_and_calls(self) -> str:
        """Return free text, in which calls are enforced from the marker on."""
        text = self._rules.text()
        if self.call is None:
            self._refuse_strict()
            return text
        return f"({self._rules.until(self._start)} {self.call})* {text}"

    def _call(self) -> str | None:
        if self._frame is None:
            return None
        make = self._frame.several if self._request.tool_choice.parallel else self._frame.single
        return make(self._rules, self._offered)

    def _first_call(self) -> str:
        if self.call is None:
            self._refuse_strict()
            raise refused(self._no_calls(), CHOICE_FIELD, "ask with auto, or ask a model that takes tools")
        return f"{self._marker()} {self.call}"

    def _no_calls(self) -> str:
        known = self._style.tools is not None
        return "the model's way to call tools allows no grammar" if known else "how the model calls tools is not known"

    def _further_calls(self) -> str:
        """Return more calls where each has a frame of its own."""
        repeats = self._frame and self._frame.between is None and self._request.tool_choice.parallel
        return f" ({SPACE}? {self._marker()} {self.call})*" if repeats else ""

    def _marker(self) -> str:
        return self._rules.literal(self._start)

    @property
    def _start(self) -> str:
        return self._style.tools.start if self._style.tools else ""

    def _refuse_strict(self) -> None:
        """Raise OmlxError where a tool's arguments have to be enforced, as they cannot."""
        for offer in self._offered:
            if offer.strict:
                raise refused("the model's way to call tools cannot be held to it", offer.field)
