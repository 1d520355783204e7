"""Log probabilities in the chat dialect's form and in the older one."""

from __future__ import annotations

from collections.abc import Sequence

from omlx_daemon.api.openai.replies import AlternativeReply, ChatLogprobs, ChosenReply, TextLogprobs
from omlx_daemon.core.events import Alternative, TokenLogprob


def chat_logprobs(tokens: Sequence[TokenLogprob]) -> ChatLogprobs:
    """Return `tokens` as a chat choice reports them."""
    return ChatLogprobs(
        content=[
            ChosenReply(
                token=token.chosen.text,
                logprob=token.chosen.logprob,
                bytes=_bytes(token.chosen),
                top_logprobs=[
                    AlternativeReply(token=other.text, logprob=other.logprob, bytes=_bytes(other))
                    for other in token.top
                ],
            )
            for token in tokens
        ]
    )


def text_logprobs(tokens: Sequence[TokenLogprob], offset: int, alternatives: int) -> TextLogprobs:
    """Return `tokens` as a text choice reports them; the first starts at character `offset` of the text."""
    offsets: list[int] = []
    for token in tokens:
        offsets.append(offset)
        offset += len(token.chosen.text)
    return TextLogprobs(
        tokens=[token.chosen.text for token in tokens],
        token_logprobs=[token.chosen.logprob for token in tokens],
        top_logprobs=[_table(token) for token in tokens] if alternatives else None,
        text_offset=offsets,
    )


def _table(token: TokenLogprob) -> dict[str, float]:
    return {other.text: other.logprob for other in (*reversed(token.top), token.chosen)}


def _bytes(token: Alternative) -> list[int]:
    return list(token.token_bytes or token.text.encode())
