"""Splits whole answers in tests, and checks that nothing of them is lost."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Sequence
from typing import NamedTuple

from omlx_daemon.worker.parsing.segments import Kind, Segment, Splitter

_NOTE = re.compile(r'"(id|type|index)"\s*:\s*("([^"\\]|\\.)*"|[\w.+-]+)|index="[^"]*"')
"""What some models say of a call beside the call."""
_HEADER = re.compile(r"^(<\|channel\|>|<\|start\|>| ?to=)(?s:.*?)<\|message\|>")
"""A message's header: whatever it says beside the recipient is a marker."""


class Said(NamedTuple):
    """What an answer comes to: runs of text and reasoning and calls, in order."""

    parts: tuple[tuple[str, str], ...]
    """Each `text`, `reasoning` or `call` with its text; a call's is its name and arguments."""
    warnings: tuple[str, ...]

    def of(self, kind: str) -> list[str]:
        """Return the texts of one kind."""
        return [text for found, text in self.parts if found == kind]


def split(splitter: Splitter, pieces: Iterable[str]) -> list[Segment]:
    """Return every segment of an answer that comes in `pieces`."""
    segments = [segment for piece in pieces for segment in splitter.feed(piece)]
    return [*segments, *splitter.finish()]


def said(splitter: Splitter, pieces: Iterable[str]) -> Said:
    """Return what an answer in `pieces` comes to, calls that were taken back left out."""
    segments = split(splitter, pieces)
    void = {segment.index for segment in segments if segment.void}
    calls: dict[int, str] = {}
    parts: list[tuple[str, str]] = []
    for segment in segments:
        if segment.kind is not Kind.CALL:
            _join(parts, segment.kind.value, segment.text)
        elif segment.index not in void:
            if segment.index not in calls:
                parts.append(("call", str(segment.index)))
            calls[segment.index] = calls.get(segment.index, segment.name + " ") + segment.text
    named = tuple((kind, calls[int(text)] if kind == "call" else text) for kind, text in parts)
    return Said(named, splitter.warnings)


def check_nothing_is_lost(answer: str, segments: Sequence[Segment], syntax: Iterable[str]) -> None:
    """Assert that each character is text, reasoning, part of a call, or a marker or white space beside one.

    A call's words must be in its name and arguments, but for the format's own words, `syntax`.
    """
    assert sum(segment.size for segment in segments) == len(answer)
    void = {segment.index for segment in segments if segment.void}
    at, known = 0, frozenset(syntax)
    raw: dict[int, str] = {}
    given: dict[int, str] = {}
    for segment in segments:
        took = answer[at : at + segment.size]
        at += segment.size
        if segment.kind is Kind.CALL and segment.index not in void:
            raw[segment.index] = raw.get(segment.index, "") + took
            given[segment.index] = given.get(segment.index, "") + segment.name + " " + segment.text
        elif segment.kind is Kind.CALL:
            raw[-1] = raw.get(-1, "") + took
        elif segment.literal:
            assert answer[:at].endswith(segment.text), "the text of a call that cannot be read is its own"
        elif segment.text:
            assert segment.text == took
        else:
            assert not _words(took) - known, f"{took!r} is no marker"
    for index, text in raw.items():
        if index >= 0:
            _check_call(text, given[index], known)


def _check_call(raw: str, given: str, known: frozenset[str]) -> None:
    arguments = json.loads(given[given.index("{") :])
    assert isinstance(arguments, dict)
    told = f"{given} {_leaves(arguments)}"
    raw = _HEADER.sub("", _NOTE.sub("", raw))
    lost = {word for word in _words(raw) - known - _words(told) if word not in told}
    cut_off = {word for word in lost if raw.endswith(word) and any(part.startswith(word) for part in known)}
    assert not lost - cut_off, raw


def _leaves(value: object) -> str:
    if isinstance(value, dict):
        return " ".join(f"{key} {_leaves(part)}" for key, part in value.items())
    return " ".join(map(_leaves, value)) if isinstance(value, list) else str(value)


def _words(text: str) -> set[str]:
    return set(re.findall(r"\w+", re.sub(r"\\u[0-9a-fA-F]{4}|\\[nrtbf]", " ", text)))


def _join(parts: list[tuple[str, str]], kind: str, text: str) -> None:
    if not text:
        return
    if parts and parts[-1][0] == kind:
        parts[-1] = (kind, parts[-1][1] + text)
    else:
        parts.append((kind, text))
