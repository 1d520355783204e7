"""A model's vocabulary as grammars see it."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import NoReturn

from llguidance import LLTokenizer, TokenizerWrapper

from omlx_daemon.worker.backend.tokenizer import ModelTokenizer


class _Vocabulary:
    """The attributes that llguidance asks of a tokenizer."""

    bos_token_id = None

    def __init__(self, tokens: Sequence[bytes], specials: Collection[int], eos: int) -> None:
        self.tokens = tokens
        self.special_token_ids = sorted(specials)
        self.eos_token_id = eos

    def __call__(self, text: object) -> NoReturn:
        raise NotImplementedError("no grammar of ours forces one way to spell a text")


def token_table(tokenizer: ModelTokenizer, vocabulary_tokens: int, eos_ids: Collection[int]) -> LLTokenizer:
    """Return the table for a model that gives so many logits and ends with any of `eos_ids`, which are not empty.

    Its markers and end tokens are no text. Takes about a second for the largest vocabularies.
    """
    tokens = [tokenizer.bytes_of(token) for token in range(vocabulary_tokens)]
    specials = {token for token in (*tokenizer.markers.values(), *eos_ids) if token < vocabulary_tokens}
    vocabulary = _Vocabulary(tokens, specials, min(eos_ids))
    return LLTokenizer(TokenizerWrapper(vocabulary), n_vocab=vocabulary_tokens, eos_token=sorted(eos_ids))
