"""What one request computes, the next need not: at the same time, and from turn to turn through every mishap."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import pytest

from tests.cachewire.driving import Client, words

pytestmark = pytest.mark.model
SYSTEM = "You are a ship's cook who answers in one sentence and likes to count. " * 20
QUESTIONS = ("What is for dinner?", "And for breakfast?", "Who washes the dishes?", "Is there any bread left?")
SLACK_TOKENS = 4
"""An answer's last token, which was never computed, and what the tokenizer makes of its end when it reads it back."""


@pytest.mark.timeout(240)
def test_a_prefix_is_computed_once(smollm2: Client) -> None:
    smollm2.load()
    two_equal_prompts_at_once_compute_it_once(smollm2)
    a_longer_prompt_goes_on_where_the_shorter_ended(smollm2)


def two_equal_prompts_at_once_compute_it_once(client: Client) -> None:
    prompt = words(300, seed=4)
    with ThreadPoolExecutor(2) as threads:
        first, second = threads.map(client.ask, (prompt, prompt))
    assert sorted((first.computed, second.computed)) == [1, 300]
    assert first.tokens == second.tokens


def a_longer_prompt_goes_on_where_the_shorter_ended(client: Client) -> None:
    prompt = words(390, seed=5)
    assert client.ask(prompt[:300], max_tokens=1).computed == 300
    longer = client.ask(prompt, max_tokens=1)
    assert longer.hot == 300
    other = client.ask([*prompt[:280], *words(40, seed=6)], max_tokens=1)
    assert other.hot == 280


class Conversation:
    """An agent's growing hiwords."""

    def __init__(self, client: Client, name: str) -> None:
        self._client = client
        self._messages = [{"role": "system", "content": f"Your name is {name}. {SYSTEM}"}]
        self._known = 0

    def turn(self, question: str) -> int:
        """Ask once more: nothing is computed but the new tokens; return the tokens of the prompt."""
        self._messages.append({"role": "user", "content": question})
        text, found = self._client.chat(self._messages, max_tokens=8)
        if self._known:
            assert found.computed <= found.prompt_tokens - self._known + SLACK_TOKENS
        self._messages.append({"role": "assistant", "content": text})
        self._known = found.prompt_tokens + len(found.tokens)
        return found.prompt_tokens


@pytest.mark.timeout(240)
def test_a_turn_computes_what_is_new_in_it_through_restart_crash_and_company(smollm2: Client) -> None:
    smollm2.load()
    talk, other = Conversation(smollm2, "Ann"), Conversation(smollm2, "Bob")
    for question in ("Who are you?", QUESTIONS[0]):
        talk.turn(question)
        other.turn(question)
    smollm2.restart()
    smollm2.await_written(talk.turn(QUESTIONS[1]))
    smollm2.home.kill()
    smollm2.load()
    talk.turn(QUESTIONS[2])
    other.turn(QUESTIONS[3])
