"""Gathers the rules of one grammar, in the dialect of Lark that llguidance reads."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace

from omlx_daemon.worker.grammar.schema import Schema

_HEADER = '%llguidance {"no_forcing": true}'
"""The model spells fixed text as it likes: one way alone would ask the tokenizer at each step."""
_ANY = "/(?s:.*)/"
SPACE = "SPACE"
"""A rule that every grammar has: some white space."""
_SPACE_RULE = r"SPACE: /[ \t\r\n]{1,32}/"


@dataclass(frozen=True, slots=True)
class Grammar:
    """A grammar as text, and the schemas in it, by the names of their rules."""

    rules: tuple[str, ...]
    schemas: Mapping[str, Schema]

    @property
    def text(self) -> str:
        """The whole grammar."""
        schemas = (f"{name}: %json {schema.text}" for name, schema in self.schemas.items())
        return "\n".join((_HEADER, *self.rules, _SPACE_RULE, *schemas, ""))

    def with_schema(self, name: str, schema: Schema) -> Grammar:
        """Return the grammar with another schema in place of the one of this rule."""
        return replace(self, schemas={**self.schemas, name: schema})


def grammar_of(schema: Schema) -> Grammar:
    """Return the grammar of JSON alone."""
    return Grammar(("start: json",), {"json": schema})


class Rules:
    """The rules so far. What the methods return is an expression for the right side of a rule.

    `markers` are the tokens that are no text, by how they are written: free text has none of them.
    """

    def __init__(self, markers: Mapping[str, int]) -> None:
        self._markers = markers
        longest_first = sorted(filter(None, markers), key=len, reverse=True)
        self._cuts = re.compile("|".join(map(re.escape, longest_first))) if longest_first else None
        self._rules: list[str] = []
        self._schemas: dict[str, Schema] = {}

    def knows(self, marker: str) -> bool:
        """Tell whether a text is a token that is no text."""
        return marker in self._markers

    def literal(self, text: str) -> str:
        """Return `text` and nothing else; markers in it are their tokens."""
        parts, at = [], 0
        for found in self._cuts.finditer(text) if self._cuts else ():
            parts += [_quoted(text[at : found.start()]), f"<[{self._markers[found[0]]}]>"]
            at = found.end()
        return " ".join(filter(None, [*parts, _quoted(text[at:])])) or '""'

    def json(self, schema: Schema) -> str:
        """Return a JSON value that satisfies `schema`."""
        name = f"json_{len(self._schemas)}"
        self._schemas[name] = schema
        return name

    def until(self, end: str) -> str:
        """Return any text up to the first `end`, with it."""
        found = self._cuts.search(end) if self._cuts else None
        if found is None:
            return self._add(f"{_ANY} {_quoted(end)}", lazy=True)
        if found.start() == 0:
            return self._add(f"{_ANY} {self.literal(end)}")
        head = self._add(f"{_ANY} {_quoted(end[: found.start()])}", lazy=True)
        return self._add(f"{head} {self.literal(end[found.start() :])}")

    def text(self) -> str:
        """Return any text."""
        return self._add(_ANY)

    def any_of(self, expressions: Iterable[str]) -> str:
        """Return one of several."""
        return self._add(" | ".join(expressions))

    def all_of(self, *expressions: str) -> str:
        """Return one after the other."""
        return self._add(" ".join(expressions))

    def recursive(self, body: Callable[[str], str]) -> str:
        """Return a rule whose right side `body` gives, which is told its name first."""
        at = len(self._rules)
        name = f"rule_{at}"
        self._rules.append("")
        self._rules[at] = f"{name}: {body(name)}"
        return name

    def grammar(self, start: str) -> Grammar:
        """Return the grammar of an answer that is `start`."""
        return Grammar((f"start: {start}", *self._rules), dict(self._schemas))

    def _add(self, body: str, *, lazy: bool = False) -> str:
        name = f"rule_{len(self._rules)}"
        self._rules.append(f"{name}[lazy]: {body}" if lazy else f"{name}: {body}")
        return name


def _quoted(text: str) -> str:
    return json.dumps(text) if text else ""
