"""Documents as text: what a model reads of them, the same for the same document wherever it stands."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from omlx_daemon.api.anthropic.schema import (
    ContentSource,
    DocumentBlock,
    InputMessage,
    TextBlock,
    TextSource,
    ToolResultBlock,
)
from omlx_daemon.api.extras import invalid

BETWEEN_BLOCKS = "\n\n"
"""Stands between blocks of text that a client wrote; an answer's own blocks go on without a break."""
NO_VISION = "image blocks are not supported: no model here has vision"


def document_text(block: DocumentBlock, place: str) -> str:
    """Return what a model is shown of a document.

    Raises OmlxError(INVALID_REQUEST) where it is no text; `place` is where the block stands.
    """
    told = (("title", block.title), ("context", block.context))
    lines = [f"<{name}>{text}</{name}>" for name, text in told if text]
    content = _content(block, f"{place}.source")
    return "\n".join(["<document>", *lines, f"<document_content>\n{content}\n</document_content>", "</document>"])


def first_cited(messages: Sequence[InputMessage]) -> str:
    """Return the field of the first document that is to be cited from; empty where none is."""
    return next(_cited(messages), "")


def _content(block: DocumentBlock, place: str) -> str:
    match block.source:
        case TextSource(data=text) | ContentSource(content=str(text)):
            return text
        case ContentSource(content=list(parts)):
            return BETWEEN_BLOCKS.join(_part(part, f"{place}.content[{index}]") for index, part in enumerate(parts))
        case source:
            kind = source.__struct_config__.tag
            raise invalid(place, f"{kind} documents are not supported, only text: send it as text or content")


def _part(part: object, place: str) -> str:
    if not isinstance(part, TextBlock):
        raise invalid(place, NO_VISION)
    return part.text


def _cited(messages: Sequence[InputMessage]) -> Iterator[str]:
    for number, message in enumerate(messages):
        yield from _cited_in(message.content, f"messages[{number}].content")


def _cited_in(content: object, place: str) -> Iterator[str]:
    for index, block in enumerate(content if isinstance(content, list) else ()):
        where = f"{place}[{index}]"
        if isinstance(block, DocumentBlock) and block.citations is not None and block.citations.enabled:
            yield f"{where}.citations"
        elif isinstance(block, ToolResultBlock):
            yield from _cited_in(block.content, f"{where}.content")
