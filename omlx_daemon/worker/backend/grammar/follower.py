"""One answer on its way through a grammar."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from omlx_daemon.worker.backend.grammar.compiled import Compiled, GrammarError, check


class Follower:
    """Says which tokens may come next. Called on the engine thread alone.

    What others did with the same grammar never ends an answer: where the shared part is full, it goes on with one of
    its own.
    """

    def __init__(self, grammar: Compiled) -> None:
        self._grammar = grammar
        self._matcher = grammar.shared()
        self._said: list[int] = []
        self._alone = False

    @property
    def complete(self) -> bool:
        """Whether nothing may come any more."""
        return self._matcher.is_stopped()

    def take(self, token: int) -> None:
        """Go on by the token that was chosen. Raises GrammarError where it was not allowed."""
        self._said.append(token)
        if not self._matcher.consume_token(token):
            self._part()

    def allowed(self) -> npt.NDArray[np.bool_]:
        """Return which tokens may come next, (vocabulary,). Raises GrammarError where that takes too much work."""
        bits = self._matcher.compute_bitmask()
        if self._matcher.is_error():
            self._part()
            bits = self._matcher.compute_bitmask()
            check(self._matcher)
        packed = np.frombuffer(bits, np.uint8)
        return np.unpackbits(packed, count=self._grammar.vocabulary_tokens, bitorder="little").view(np.bool_)

    def _part(self) -> None:
        """Come to the same place with a matcher that nobody shares. Raises GrammarError where it fails too."""
        if self._alone:
            check(self._matcher)
        self._grammar.worn = self._alone = True
        self._matcher = self._grammar.anew()
        taken = self._matcher.try_consume_tokens(self._said)
        check(self._matcher)
        if taken < len(self._said):
            raise GrammarError(f"token {self._said[taken]} is not allowed here")
