"""Chunks of a stream whatever the text, the model's name and the choice."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from omlx_daemon.api.openai.convert import Job
from omlx_daemon.api.openai.stream import ChatChunks, Chunks, TextChunks
from omlx_daemon.core.events import Text
from omlx_daemon.core.requests import GenerationRequest, TextPrompt

REQUEST = GenerationRequest(id="a.0", model="m", prompt=TextPrompt(text="x"))
AWKWARD = st.text(st.characters(exclude_categories=["Cs"]) | st.sampled_from('\0"\\\n\u2028\U0001f600'), min_size=1)


def expected(kind: type[Chunks], job: Job, index: int, text: str) -> dict[str, Any]:
    said = {"delta": {"content": text}} if kind is ChatChunks else {"text": text}
    usage = {"usage": None} if job.include_usage else {}
    choice = {"index": index, **said, "logprobs": None, "finish_reason": None}
    return {"id": job.id, "object": kind.kind, "created": 7, "model": job.model, "choices": [choice], **usage}


@pytest.mark.parametrize("kind", [ChatChunks, TextChunks])
@given(text=AWKWARD, model=AWKWARD, index=st.integers(0, 2), include_usage=st.booleans())
def test_a_piece_of_text(kind: type[Chunks], text: str, model: str, index: int, include_usage: bool) -> None:
    job = Job(
        id="chatcmpl-1", model=model, requests=(REQUEST,) * 3, choices=3, stream=True, include_usage=include_usage
    )
    (chunk,) = kind(job, 7).chunks(index, Text(text=text))
    assert json.loads(chunk) == expected(kind, job, index, text)
    assert list(json.loads(chunk)) == list(expected(kind, job, index, text))
    assert b"\n" not in chunk


@pytest.mark.parametrize("kind", [ChatChunks, TextChunks])
def test_no_text_is_no_chunk(kind: type[Chunks]) -> None:
    job = Job(id="c", model="m", requests=(REQUEST,), choices=1, stream=True, include_usage=False)
    assert kind(job, 7).chunks(0, Text(text="", token_ids=(1,))) == []
