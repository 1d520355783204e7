"""SentencePiece tokenizers (`llama` in GGUF): pieces with scores, bytes as fallback, no merges in the file."""

from __future__ import annotations

from tokenizers import Tokenizer, decoders, models, normalizers

from omlx_daemon.worker.backend.gguf.errors import damaged
from omlx_daemon.worker.backend.gguf.metadata import Metadata
from omlx_daemon.worker.backend.gguf.vocabulary import TokenKind, Vocabulary

SPACE = "▁"


def build(metadata: Metadata, vocabulary: Vocabulary) -> tuple[Tokenizer, bool]:
    """Return the tokenizer, and True: its kind puts the start token first. Raises OmlxError for a damaged file."""
    scores = metadata.numbers("tokenizer.ggml.scores")
    if len(scores) != len(vocabulary.tokens):
        raise damaged(f"{len(vocabulary.tokens)} tokens but {len(scores)} scores")
    unknown = next(
        (token for token, kind in zip(vocabulary.tokens, vocabulary.kinds, strict=True) if kind == TokenKind.UNKNOWN),
        None,
    )
    tokenizer = Tokenizer(
        models.BPE(
            vocab=vocabulary.ids(),
            merges=_merges(vocabulary, scores),
            unk_token=unknown,
            fuse_unk=True,
            byte_fallback=True,
        )
    )
    prefix = metadata.flag("tokenizer.ggml.add_space_prefix", default=True)
    to_pieces = normalizers.Replace(" ", SPACE)
    tokenizer.normalizer = normalizers.Sequence([normalizers.Prepend(SPACE), to_pieces]) if prefix else to_pieces
    steps = [decoders.Replace(SPACE, " "), decoders.ByteFallback(), decoders.Fuse()]
    tokenizer.decoder = decoders.Sequence([*steps, decoders.Strip(" ", 1, 0)] if prefix else steps)
    return tokenizer, True


def _merges(vocabulary: Vocabulary, scores: list[float]) -> list[tuple[str, str]]:
    """Return every way in which two pieces make a third, the best-scored piece first."""
    ordinary = (TokenKind.NORMAL, TokenKind.UNUSED)
    pieces = {
        token: score
        for token, kind, score in zip(vocabulary.tokens, vocabulary.kinds, scores, strict=True)
        if kind in ordinary
    }
    by_score = sorted(pieces, key=lambda piece: -pieces[piece])
    return [
        (piece[:cut], piece[cut:])
        for piece in by_score
        for cut in range(1, len(piece))
        if piece[:cut] in pieces and piece[cut:] in pieces
    ]
