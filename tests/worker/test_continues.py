"""Chats whose last message is the beginning of the answer."""

from __future__ import annotations

from pathlib import Path

import pytest
from mlx_lm.tokenizer_utils import load as load_tokenizer

from omlx_cli.contract.errors import Code, OmlxError
from omlx_daemon.core.requests import ChatPrompt, Message
from omlx_daemon.worker.backend.tokenizer import ModelTokenizer
from omlx_daemon.worker.engine.boundaries import Boundaries

pytestmark = pytest.mark.model
SYSTEM = Message(role="system", content="Be brief.")
ASKED = Message(role="user", content="What is the sun called in Greek?")
BEGUN = Message(role="assistant", content="The best answer is (")


@pytest.fixture(scope="module")
def tokenizer(smollm2_path: Path) -> ModelTokenizer:
    return ModelTokenizer(load_tokenizer(smollm2_path))


def test_the_answer_goes_on_where_it_was_begun(tokenizer: ModelTokenizer) -> None:
    open_chat = tokenizer.decode(tokenizer.encode_chat(ChatPrompt(messages=(SYSTEM, ASKED))))
    begun = tokenizer.decode(tokenizer.encode_chat(ChatPrompt(messages=(SYSTEM, ASKED, BEGUN), continues=True)))
    assert begun == open_chat + BEGUN.content


def test_without_the_word_a_last_answer_is_over(tokenizer: ModelTokenizer) -> None:
    text = tokenizer.decode(tokenizer.encode_chat(ChatPrompt(messages=(ASKED, BEGUN))))
    assert text.endswith("<|im_end|>\n<|im_start|>assistant\n")


def test_a_begun_answer_shares_the_prefix_of_its_chat(tokenizer: ModelTokenizer) -> None:
    boundaries = Boundaries(tokenizer)
    plain = ChatPrompt(messages=(SYSTEM, ASKED))
    begun = ChatPrompt(messages=(SYSTEM, ASKED, BEGUN), continues=True)
    assert boundaries.of(begun, tokenizer.encode_chat(begun)) == boundaries.of(plain, tokenizer.encode_chat(plain))


def test_a_template_that_drops_the_beginning_says_so_in_a_line(tokenizer: ModelTokenizer) -> None:
    lost = ChatPrompt(messages=(ASKED, BEGUN), continues=True, template_kwargs={"messages": [{"role": "user"}]})
    with pytest.raises(OmlxError) as caught:
        tokenizer.encode_chat(lost)
    assert caught.value.code is Code.INVALID_REQUEST
    assert len(caught.value.body.message) < 400
