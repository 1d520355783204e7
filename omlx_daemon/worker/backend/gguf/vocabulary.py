"""A GGUF file's tokens with their kinds and scores."""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntEnum

from tokenizers import AddedToken

from omlx_daemon.worker.backend.gguf.errors import damaged
from omlx_daemon.worker.backend.gguf.metadata import Metadata


class TokenKind(IntEnum):
    """What a token is for, in llama.cpp's numbering."""

    NORMAL = 1
    UNKNOWN = 2
    CONTROL = 3
    USER_DEFINED = 4
    UNUSED = 5
    BYTE = 6


@dataclass(frozen=True, slots=True)
class Vocabulary:
    """Tokens by id; `kinds` runs beside them."""

    tokens: list[str]
    kinds: list[int]

    def ids(self) -> dict[str, int]:
        """Return the id of each token; of two equal ones the first counts."""
        return {token: index for index, token in reversed(list(enumerate(self.tokens)))}

    def added(self) -> list[AddedToken]:
        """Return the tokens that are matched in the text before it is split: control and user-defined ones."""
        matched = (TokenKind.CONTROL, TokenKind.UNKNOWN, TokenKind.USER_DEFINED)
        return [
            AddedToken(token, special=kind != TokenKind.USER_DEFINED, normalized=False)
            for token, kind in zip(self.tokens, self.kinds, strict=True)
            if kind in matched and token
        ]


def read(metadata: Metadata, limit: int) -> Vocabulary:
    """Return the vocabulary; `limit` is the embedding's rows. Raises OmlxError for a damaged one."""
    tokens = metadata.texts("tokenizer.ggml.tokens")
    if not 0 < len(tokens) <= limit:
        raise damaged(f"{len(tokens)} tokens for an embedding of {limit} rows")
    if not metadata.has("tokenizer.ggml.token_type"):
        return Vocabulary(tokens, [TokenKind.NORMAL] * len(tokens))
    kinds = [int(kind) for kind in metadata.numbers("tokenizer.ggml.token_type")]
    if len(kinds) != len(tokens):
        raise damaged(f"{len(tokens)} tokens but {len(kinds)} token types")
    return Vocabulary(tokens, kinds)
