"""Answers on their way through one grammar, and how they stay apart."""

from __future__ import annotations

import random
from collections.abc import Mapping

import pytest

from omlx_daemon.worker.backend.grammar import compiler as compiling
from omlx_daemon.worker.backend.grammar.compiled import Compiled, GrammarError
from omlx_daemon.worker.backend.grammar.compiler import Compiler
from omlx_daemon.worker.backend.grammar.follower import Follower
from omlx_daemon.worker.backend.tokenizer import ModelTokenizer
from tests.worker.grammar.vocabulary import accepts, of_schema, open_compiler, open_tokenizer
from tests.worker.models import END, START, VOCABULARY

SMALL = {"type": "object", "properties": {"a": {"enum": ["x", "y"]}}, "required": ["a"], "additionalProperties": False}
LEARNING = {"type": "string", "pattern": "^[ab]*a[ab]{16}$"}
"""Each answer shows the lexer other states, of which there are more than it may keep."""


@pytest.fixture(scope="module")
def tokenizer(tmp_path_factory: pytest.TempPathFactory) -> ModelTokenizer:
    return open_tokenizer(tmp_path_factory.mktemp("tokenizer"))


@pytest.fixture
def compiler(tokenizer: ModelTokenizer) -> Compiler:
    return open_compiler(tokenizer)


def compiled(compiler: Compiler, schema: Mapping[str, object]) -> Compiled:
    return compiler.compile(of_schema(schema), "response_format")


def wander(follower: Follower, letters: list[int], steps: int, seed: int) -> None:
    """Take random letters, each of which has to be allowed."""
    choose = random.Random(seed)
    for _ in range(steps):
        letter = choose.choice(letters)
        assert follower.allowed()[letter]
        follower.take(letter)


def test_only_text_of_the_grammar_is_allowed_and_it_ends_with_it(compiler: Compiler, tokenizer: ModelTokenizer) -> None:
    follower = Follower(compiled(compiler, SMALL))
    assert set(follower.allowed().nonzero()[0]) == set(tokenizer.encode_text("{"))
    assert accepts(follower, tokenizer.encode_text('{"a": "y"}'))
    assert follower.complete
    assert not accepts(Follower(compiled(compiler, SMALL)), tokenizer.encode_text('{"a": "z"}'))


def test_markers_are_no_text(compiler: Compiler, tokenizer: ModelTokenizer) -> None:
    follower = Follower(compiled(compiler, {"type": "string"}))
    follower.take(*tokenizer.encode_text('"'))
    allowed = follower.allowed()
    assert allowed[tokenizer.encode_text("s")[0]]
    assert not allowed[START]
    assert not allowed[END]
    assert allowed.shape == (VOCABULARY,)


def test_an_end_is_allowed_where_the_grammar_may_end(compiler: Compiler, tokenizer: ModelTokenizer) -> None:
    follower = Follower(compiled(compiler, {"type": "integer"}))
    assert not follower.allowed()[END]
    follower.take(*tokenizer.encode_text("7"))
    assert follower.allowed()[END]
    assert not follower.complete
    follower.take(END)
    assert follower.complete


def test_a_token_that_is_not_allowed_is_an_error(compiler: Compiler, tokenizer: ModelTokenizer) -> None:
    with pytest.raises(GrammarError):
        Follower(compiled(compiler, SMALL)).take(*tokenizer.encode_text("["))


def test_what_many_answers_learn_ends_none_of_them(compiler: Compiler, tokenizer: ModelTokenizer) -> None:
    letters, quote = tokenizer.encode_text("ab"), tokenizer.encode_text('"')
    grammar = compiled(compiler, LEARNING)
    early = Follower(grammar)
    early.take(*quote)
    answers = 0
    while not grammar.worn:
        answers += 1
        assert answers < 1000, "what is learnt has no bound"
        follower = Follower(grammar)
        follower.take(*quote)
        wander(follower, letters, 200, seed=answers)
    assert answers > 1
    wander(early, letters, 200, seed=0)
    assert accepts(early, letters[:1] * 17 + quote)
    assert compiled(compiler, LEARNING) is not grammar, "the next answer begins afresh"


def test_a_step_that_is_too_much_work_is_an_error(compiler: Compiler, tokenizer: ModelTokenizer) -> None:
    grammar = compiled(compiler, {"type": "string", "pattern": "^([a-z]{1,3}|[a-z]{2,9}){1,900}$"})
    follower, letters = Follower(grammar), tokenizer.encode_text("abcxyz")
    follower.take(*tokenizer.encode_text('"'))
    with pytest.raises(GrammarError, match="too many"):
        wander(follower, letters, 20_000, seed=1)


def test_grammars_are_kept_and_the_oldest_let_go(compiler: Compiler) -> None:
    first = compiled(compiler, SMALL)
    assert compiled(compiler, SMALL) is first
    for number in range(compiling.KEPT_GRAMMARS):
        compiled(compiler, {"const": number})
    assert compiled(compiler, SMALL) is not first


def test_large_grammars_are_not_all_kept(compiler: Compiler) -> None:
    sizes = [compiling.KEPT_BYTES // 5 for _ in range(8)]
    for number, size in enumerate(sizes):
        compiled(compiler, {"type": "integer", "description": f"{number}" * size})
    assert sum(map(len, compiler._kept)) <= compiling.KEPT_BYTES
    assert len(compiler._kept) < len(sizes)
