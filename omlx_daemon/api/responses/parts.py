"""Loose items of a body as typed ones, and what is text in them."""

from __future__ import annotations

from typing import Any, TypeVar

import msgspec

from omlx_daemon.api.extras import invalid

T = TypeVar("T")

_TEXTS = ("input_text", "output_text", "text", "reasoning_text", "summary_text")


def convert(raw: object, kind: type[T], place: str) -> T:
    """Return `raw` as a `kind`. Raises OmlxError(INVALID_REQUEST) that names the field in `place`."""
    try:
        return msgspec.convert(raw, kind)
    except msgspec.ValidationError as error:
        problem, _, inside = str(error).partition(" - at `$")
        raise invalid(f"{place}{inside.rstrip('`')}", _plain(problem)) from error


def text_of(content: object, place: str) -> str:
    """Return the text of a string or of text parts. Raises OmlxError(INVALID_REQUEST) for any other part."""
    if isinstance(content, str):
        return content
    parts: list[dict[str, Any]] = convert(content, list[dict[str, Any]], place)
    return "".join(_text(part, f"{place}[{index}]") for index, part in enumerate(parts))


def _text(part: dict[str, Any], place: str) -> str:
    kind = part.get("type")
    if kind == "refusal":
        return convert(part.get("refusal"), str, f"{place}.refusal")
    if kind not in _TEXTS:
        raise invalid(f"{place}.type", f"{kind!r} parts are not supported, only text")
    return convert(part.get("text"), str, f"{place}.text")


def _plain(problem: str) -> str:
    return problem[:1].lower() + problem[1:].replace("`", "")
