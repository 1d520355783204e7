"""What clients write anew into each request, though the conversation is the same: headers, counters, clocks."""

from __future__ import annotations

import re

from omlx_daemon.canonical.turns import SYSTEM, changed_texts, settled
from omlx_daemon.core.requests import ChatPrompt

_HEADER = re.compile(
    r"^[ \t]*x-[\w-]*(?:billing|attribution)[\w-]*:"
    r"(?:(?:[ \t]*[\w.-]+=[^;\s]*(?:;|$))+|[^\n]*)[ \t]*(?:\r?\n)*",
    re.IGNORECASE | re.MULTILINE,
)
"""A line, or the `name=value;` pairs at the beginning of one where the client joined its blocks without a break."""

_NUMBER = r"[\d,_.]*\d[kKM]?"
_COUNT = (
    rf"(?:token usage: *{_NUMBER} */ *{_NUMBER}(?:; *{_NUMBER} remaining)?"
    rf"|{_NUMBER} tokens? (?:left|remaining|used)"
    rf"|(?:total|remaining)[ _]tokens: *{_NUMBER})\.?"
)
_TAG = r"(?:total_tokens|token_usage|tokens_left|tokens_remaining|system_warning|system-reminder)"
_TAGGED = rf"<(?P<outer>{_TAG})>\s*(?:<(?P<inner>{_TAG})>\s*{_COUNT}\s*</(?P=inner)>|{_COUNT})\s*</(?P=outer)>"
_COUNTER = re.compile(rf"(?P<before>\A|\n+)[ \t]*{_TAGGED}[ \t]*(?P<after>\Z|(?:\r?\n)+)", re.IGNORECASE)
_BARE_COUNTER = re.compile(rf"(?P<before>\A|\n+)[ \t]*{_COUNT}[ \t]*(?P<after>\Z|(?:\r?\n)+)", re.IGNORECASE)

_ISO_TIME = re.compile(r"(?<=\d{4}-\d{2}-\d{2})[T ]\d{2}:\d{2}(?::\d{2}(?:\.\d+)?)?(?: ?(?:Z|UTC|[+-]\d{2}:?\d{2}))?")
_TIME_LINE = re.compile(
    r"^[ \t]*(?:the )?(?:current |local )?time(?: is)?:? *\d{1,2}:\d{2}[^\n]*(?:\r?\n|\Z)", re.IGNORECASE | re.MULTILINE
)


def attribution_header(prompt: ChatPrompt) -> ChatPrompt:
    """Drop billing and attribution headers from the system text."""
    return changed_texts(prompt, SYSTEM, settled(lambda text: _HEADER.sub("", text)))


def token_counter(prompt: ChatPrompt) -> ChatPrompt:
    """Drop counters of tokens: those in tags wherever a client writes, lines of their own in the system text alone."""
    without = changed_texts(prompt, ("user", "tool"), settled(lambda text: _COUNTER.sub(_break, text)))
    return changed_texts(without, SYSTEM, settled(lambda text: _BARE_COUNTER.sub(_break, _COUNTER.sub(_break, text))))


def clock(prompt: ChatPrompt) -> ChatPrompt:
    """Cut the time of day out of the system text; dates stay."""
    return changed_texts(prompt, SYSTEM, settled(lambda text: _TIME_LINE.sub("", _ISO_TIME.sub("", text))))


def _break(counter: re.Match[str]) -> str:
    """Return what stands between the texts around a counter, as if it had never been there."""
    before, after = counter["before"], counter["after"]
    return max(before, after, key=len) if before and after else ""
