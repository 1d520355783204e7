"""Reasoning in every format, and calls by parsers that are not ours, in answers that are damaged."""

from __future__ import annotations

import importlib
import json
import random

import pytest

from omlx_daemon.worker.parsing.foreign import ForeignTools
from omlx_daemon.worker.parsing.reasoning import FORMATS, ReasoningFormat
from omlx_daemon.worker.parsing.segments import Kind, Splitter
from omlx_daemon.worker.parsing.splitter import MarkedSplitter
from omlx_daemon.worker.parsing.style import FORMATS as TOOL_FORMATS
from tests.parsing.samples import SAMPLES, TOOLS
from tests.parsing.splitting import check_nothing_is_lost, said, split
from tests.parsing.test_formats import OURS_ALONE
from tests.parsing.test_splitter import MUTATIONS, cut, mutated

CALL = '<tool_call>{"name": "now", "arguments": {"a": 1}}</tool_call>'
SYNTAX = ("tool_call", "name", "now", "arguments", "a", "1")
FOREIGN = sorted({sample.format for sample in SAMPLES} - OURS_ALONE - {"muse_spark"})


def splitter(kind: ReasoningFormat, *, inside: bool) -> Splitter:
    return MarkedSplitter(kind, TOOL_FORMATS["json_tools"], TOOLS, inside=inside)


@pytest.mark.parametrize("kind", FORMATS, ids=lambda kind: kind.name)
def test_damaged_reasoning_loses_nothing_and_breaks_nothing(kind: ReasoningFormat) -> None:
    """1,000 mutated answers of each format: each character is somewhere, however the text is cut."""
    chance, reasoned = random.Random(kind.name), 0
    shown = f"{kind.dropped[0]}Yes.{''.join(kind.dropped[1:])}" if kind.dropped else "Yes."
    words = " ".join((kind.start, kind.end, *kind.dropped))
    syntax = (*SYNTAX, *"".join(letter if letter.isalnum() or letter == "_" else " " for letter in words).split())
    for _ in range(MUTATIONS):
        inside = chance.random() < 0.3
        start = "" if inside else kind.start
        answer = mutated(f"{start}\nTwo places.\n{kind.end}\n\n{shown}\n{CALL}\n", chance)
        segments = split(splitter(kind, inside=inside), [answer])
        check_nothing_is_lost(answer, segments, syntax)
        once = said(splitter(kind, inside=inside), [answer])
        assert said(splitter(kind, inside=inside), cut(answer, chance)) == once, answer
        reasoned += bool(once.of("reasoning"))
    assert 0.3 * MUTATIONS < reasoned < MUTATIONS


@pytest.mark.parametrize("name", FOREIGN)
def test_damaged_calls_by_another_parser_are_read_whole_or_given_as_text(name: str) -> None:
    """1,000 mutated answers to each of mlx-lm's own parsers, whatever these raise."""
    chance, read = random.Random(name), 0
    parser = importlib.import_module(f"mlx_lm.tool_parsers.{name}")
    foreign = ForeignTools(name, parser.tool_call_start, parser.tool_call_end, parser.parse_tool_call)
    samples = [sample for sample in SAMPLES if sample.format == name]
    for _ in range(MUTATIONS):
        answer = mutated(f"Look.\n{chance.choice(samples).text}", chance)
        segments = split(MarkedSplitter(None, foreign, TOOLS, inside=False), [answer])
        assert sum(segment.size for segment in segments) == len(answer)
        assert all(answer.find(segment.text) >= 0 for segment in segments if segment.kind is Kind.TEXT)
        once = said(MarkedSplitter(None, foreign, TOOLS, inside=False), [answer])
        for call in once.of("call"):
            assert isinstance(json.loads(call[call.index("{") :]), dict)
        assert said(MarkedSplitter(None, foreign, TOOLS, inside=False), cut(answer, chance)) == once, answer
        read += bool(once.of("call"))
    assert 0 < read < MUTATIONS
