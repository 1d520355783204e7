"""What kind of line changed: a header, a counter, or something else. Pure."""

from __future__ import annotations

import re
from dataclasses import dataclass

from omlx_cli.contract.misses import MissCause

_HEADER = re.compile(r"^\s*(?:x-[\w-]+|[\w]+(?:-[\w]+)+)\s*:", re.IGNORECASE)
_IDENTITY = re.compile(
    r"\b(?:cch|cc_version|(?:session|request|trace|conversation|prompt|client|user)[-_ ]?id|nonce|etag|build)\b\s*[=:]",
    re.IGNORECASE,
)
_NUMBER = re.compile(r"\d[\d,._]*")
_MOMENT = re.compile(r"\d{1,2}:\d{2}|\d{4}-\d{2}-\d{2}|\b(?:mon|tues|wednes|thurs|fri|satur|sun)day\b", re.IGNORECASE)
_NAMES = re.compile(
    r"\b(?:mon|tues|wednes|thurs|fri|satur|sun)day\b|\b(?:jan|feb|mar|apr|may|jun|jul|aug|sep|oct|nov|dec)[a-z]*\b"
    r"|\b[ap]m\b",
    re.IGNORECASE,
)
_COUNTED = re.compile(
    r"\btokens?\b|\bleft\b|\bremaining\b|\bused\b|\bbudget\b|\bturns?\b|\bsteps?\b|\bcontext\b|\bcount|\btime\b|\bdate\b",
    re.IGNORECASE,
)


@dataclass(frozen=True, slots=True)
class Lines:
    """The first lines in which two texts differ; empty where one text has no more."""

    now: str
    earlier: str

    def volatile(self, *, certain: bool) -> tuple[MissCause, str] | None:
        """Return the cause and what exactly, where a line is one that changes by itself.

        Not `certain` that the texts mean the same, only a line that speaks of counting is taken for a counter.
        """
        if _is_header(self.now) and _is_header(self.earlier):
            return MissCause.HEADER, _name(self.now)
        if not self._differ_in_numbers():
            return self._alone()
        if _MOMENT.search(self.now) and _MOMENT.search(self.earlier):
            return MissCause.COUNTER, "a date or time"
        if certain or _COUNTED.search(self.now):
            return MissCause.COUNTER, "a number"
        return None

    def _differ_in_numbers(self) -> bool:
        return bool(self.now and self.earlier) and _without_numbers(self.now) == _without_numbers(self.earlier)

    def _alone(self) -> tuple[MissCause, str] | None:
        """Tell of a line that one text has and the other has not."""
        for line in (self.now, self.earlier):
            if _is_header(line):
                return MissCause.HEADER, _name(line)
            if _NUMBER.search(line) and re.search(r"\btokens?\b", line, re.IGNORECASE) and _COUNTED.search(line):
                return MissCause.COUNTER, "a number"
        return None


def first_difference(now: str, earlier: str) -> Lines:
    """Return the lines in which two texts differ first."""
    for one, other in zip(lines := now.splitlines(), others := earlier.splitlines(), strict=False):
        if one != other:
            return Lines(one, other)
    shared = min(len(lines), len(others))
    return Lines("".join(lines[shared : shared + 1]), "".join(others[shared : shared + 1]))


def likeness(now: str, earlier: str, *, but_for_numbers: bool = False) -> float:
    """Return which share of the shorter text's characters stands in lines that the longer one has too, 0 to 1.

    `but_for_numbers`, lines that differ in numbers and in the names of days and months are the same.
    """
    if but_for_numbers:
        now, earlier = _without_numbers(now), _without_numbers(earlier)
    short, long = sorted((now.splitlines(), earlier.splitlines()), key=lambda lines: sum(map(len, lines)))
    total = sum(map(len, short))
    known = set(long)
    return sum(len(line) for line in short if line in known) / total if total else 1.0


def _is_header(line: str) -> bool:
    return bool(_HEADER.search(line) or _IDENTITY.search(line))


def _name(line: str) -> str:
    return line.strip().partition(":")[0][:60] if _HEADER.search(line) else line.strip()[:60]


def _without_numbers(line: str) -> str:
    return _NAMES.sub("#", _NUMBER.sub("#", line))
