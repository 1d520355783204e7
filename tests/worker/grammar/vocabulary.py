"""A vocabulary of the 256 bytes and a few markers, compiled for without a model."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from mlx_lm.tokenizer_utils import load

from omlx_daemon.worker.backend.grammar.compiler import Compiler
from omlx_daemon.worker.backend.grammar.follower import Follower
from omlx_daemon.worker.backend.tokenizer import ModelTokenizer
from omlx_daemon.worker.engine.ports import ModelFacts
from omlx_daemon.worker.grammar.rules import Grammar, grammar_of
from omlx_daemon.worker.grammar.schema import enforced
from tests.worker.models import END, VOCABULARY, write_tokenizer


def open_tokenizer(folder: Path) -> ModelTokenizer:
    folder.mkdir(parents=True, exist_ok=True)
    write_tokenizer(folder)
    return ModelTokenizer(load(folder))


def open_compiler(tokenizer: ModelTokenizer) -> Compiler:
    facts = ModelFacts(context_tokens=0, vocabulary_tokens=VOCABULARY, eos_ids=frozenset({END}))
    return Compiler(tokenizer, facts)


def of_schema(schema: Mapping[str, object]) -> Grammar:
    return grammar_of(enforced(schema, "response_format"))


def accepts(follower: Follower, token_ids: list[int]) -> bool:
    """Follow an answer; tell whether it may end there, and each token was allowed where it came."""
    for token in token_ids:
        if follower.complete or not follower.allowed()[token]:
            return False
        follower.take(token)
    return follower.complete or bool(follower.allowed()[END])
