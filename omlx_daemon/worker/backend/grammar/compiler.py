"""Compiles the grammars that requests ask for, and keeps the last ones."""

from __future__ import annotations

from collections import OrderedDict
from functools import cached_property

from llguidance import LLTokenizer

from omlx_daemon.worker.backend.grammar.compiled import Compiled, GrammarError
from omlx_daemon.worker.backend.grammar.table import token_table
from omlx_daemon.worker.backend.tokenizer import ModelTokenizer
from omlx_daemon.worker.engine.ports import ModelFacts
from omlx_daemon.worker.grammar.rules import Grammar, grammar_of
from omlx_daemon.worker.grammar.schema import MAX_BYTES, Schema, refused

KEPT_GRAMMARS = 32
KEPT_BYTES = 4 << 20


class Compiler:
    """Called on the tokenising thread alone."""

    def __init__(self, tokenizer: ModelTokenizer, facts: ModelFacts) -> None:
        """Compile for one model; what is known of its vocabulary is gathered with the first grammar."""
        self._tokenizer = tokenizer
        self._facts = facts
        self._kept: OrderedDict[str, Compiled] = OrderedDict()

    @cached_property
    def markers(self) -> dict[str, int]:
        """The model's tokens that are no text, by how they are written."""
        return self._tokenizer.markers

    def compile(self, grammar: Grammar, field: str) -> Compiled:
        """Return the grammar, compiled.

        A schema that may be loosened is loosened where it has to be. Raises OmlxError(INVALID_REQUEST) naming the
        field that cannot be enforced: that of a schema, or `field`.
        """
        text = grammar.text
        known = self._kept.get(text)
        if known is not None and not known.worn:
            self._kept.move_to_end(text)
            return known
        self._kept[text] = compiled = self._compiled(grammar, field)
        self._kept.move_to_end(text)
        while len(self._kept) > KEPT_GRAMMARS or sum(map(len, self._kept)) > KEPT_BYTES:
            self._kept.popitem(last=False)
        return compiled

    def _compiled(self, grammar: Grammar, field: str) -> Compiled:
        try:
            return self._try(grammar)
        except GrammarError as error:
            reason = str(error)
        loosened = self._loosened(grammar)
        if loosened == grammar:
            raise refused(reason, field)
        try:
            return self._try(loosened)
        except GrammarError as error:
            raise refused(str(error), field) from error

    def _loosened(self, grammar: Grammar) -> Grammar:
        """Return the grammar with those schemas loosened that cannot be enforced. Raises OmlxError for one that may
        not be."""
        for name, schema in grammar.schemas.items():
            try:
                self._try(grammar_of(schema))
            except GrammarError as error:
                if not schema.loose:
                    raise refused(str(error), schema.field) from error
                grammar = grammar.with_schema(name, Schema(schema.loose, schema.field))
        return grammar

    def _try(self, grammar: Grammar) -> Compiled:
        if len(grammar.text) > MAX_BYTES:
            raise GrammarError(f"it is larger than {MAX_BYTES >> 10} KiB")
        return Compiled(grammar.text, self._table)

    @cached_property
    def _table(self) -> LLTokenizer:
        if not self._facts.eos_ids:
            raise GrammarError("the model has no token that ends an answer")
        return token_table(self._tokenizer, self._facts.vocabulary_tokens, self._facts.eos_ids)
