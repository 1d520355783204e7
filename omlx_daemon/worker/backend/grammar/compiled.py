"""A grammar that is ready to be followed, by any number of answers."""

from __future__ import annotations

import re

import numpy as np
from llguidance import LLMatcher, LLParserLimits, LLTokenizer

_LIMITS = LLParserLimits(
    max_items_in_row=10_000,
    initial_lexer_fuel=200_000,
    step_lexer_fuel=50_000,
    step_max_items=20_000,
    max_lexer_states=20_000,
    verbose_errors=False,
)
"""A grammar compiles in at most some 100 ms, a step takes at most some 50 ms, and what it learns some 20 MB."""
_SILENT = 0
_INNER = re.compile(r"^(Parser Error: |at \d+\(\d+\): |failed to compile JSON schema: )+")
"""What the library says of places in the grammar, which no client has written."""


class GrammarError(Exception):
    """A grammar that is wrong or too large, or an answer that left it."""


class Compiled:
    """One grammar for one vocabulary.

    Those who follow it share what it learns about the vocabulary as they go on, which is bounded: `worn` says that
    it can learn no more.
    """

    def __init__(self, text: str, table: LLTokenizer) -> None:
        """Compile. Raises GrammarError, which says why in one line."""
        self.vocabulary_tokens = table.vocab_size
        self.worn = False
        self._text = text
        self._table = table
        self._unused = self.anew()
        check(self._unused)
        self._try()

    def _try(self) -> None:
        """Take a first step: too much work shows when a second one is looked for."""
        matcher = self.shared()
        packed = np.frombuffer(matcher.compute_bitmask(), np.uint8)
        check(matcher)
        matcher.consume_token(int(np.unpackbits(packed, bitorder="little").nonzero()[0][-1]))
        if not matcher.is_stopped():
            matcher.compute_bitmask()
        check(matcher)

    def shared(self) -> LLMatcher:
        """Return a matcher at the beginning."""
        return self._unused.deep_copy()

    def anew(self) -> LLMatcher:
        """Return a matcher at the beginning that shares nothing."""
        return LLMatcher(self._table, self._text, log_level=_SILENT, limits=_LIMITS)


def check(matcher: LLMatcher) -> None:
    """Raise GrammarError where a matcher has failed."""
    if matcher.is_error():
        lines = matcher.get_error().splitlines() or ["unknown"]
        raise GrammarError(_INNER.sub("", lines[0]))
