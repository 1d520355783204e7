"""The real model: what mlx-lm answers, alone and in company."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from omlx_daemon.core.requests import TokenPrompt
from tests.worker.bench import ModelBench, ask, text, tokens

pytestmark = [pytest.mark.model, pytest.mark.timeout(400)]
TOKENS = 16
PROMPTS = (
    "Why is the sky blue?", "What is 17 + 25?", "Name three colours.", "Write a haiku about rain.",
    "Translate 'bread' to French.", "Who painted the Mona Lisa?", "Define entropy in one sentence.",
    "Write a line of Python that reverses a list.", "What is the capital of Japan?", "Count from one to five.",
    "Give me a synonym of happy.", "How do birds fly?", "What does HTTP stand for?", "Say something kind.",
    "List two mammals.", "What is the largest planet?", "Finish: once upon a", "Où est la gare ?", "¿Qué hora es?",
    "Sort these: pear, apple, fig. Explain each step of what you do and why. " * 6,
)  # fmt: skip


@pytest.fixture(scope="module")
def bench(smollm2_path: Path) -> ModelBench:
    return ModelBench(smollm2_path)


@pytest.fixture(scope="module")
def reference(smollm2_path: Path) -> list[list[int]]:
    """Return the token ids of mlx-lm's own generation on the same weights."""
    script = Path(__file__).with_name("reference.py")
    job = [sys.executable, str(script), str(smollm2_path), str(TOKENS)]
    done = subprocess.run(job, input=json.dumps(PROMPTS), capture_output=True, text=True, check=True, timeout=300)
    return [json.loads(line) for line in done.stdout.splitlines()]


def test_greedy_tokens_are_those_of_mlx_lm(bench: ModelBench, reference: list[list[int]]) -> None:
    requests = [ask(f"r{n}", prompt, chat=True, temperature=0.0, max_tokens=TOKENS) for n, prompt in enumerate(PROMPTS)]
    assert [tokens(events) for events in bench.alone(*requests)] == reference


def test_eight_at_once_get_the_tokens_they_get_alone(bench: ModelBench, reference: list[list[int]]) -> None:
    requests = [
        ask(f"r{n}", prompt, chat=True, temperature=0.0, max_tokens=TOKENS) for n, prompt in enumerate(PROMPTS[-8:])
    ]
    assert [tokens(events) for events in bench.run(*requests)] == reference[-8:]


def test_a_seeded_answer_is_the_same_alone_and_in_company(bench: ModelBench) -> None:
    seeded = ask("s", PROMPTS[0], chat=True, seed=11, temperature=0.8, top_p=0.95, max_tokens=TOKENS)
    others = [ask(f"o{n}", prompt, chat=True, max_tokens=TOKENS) for n, prompt in enumerate(PROMPTS[1:5])]
    alone = tokens(bench.run(seeded)[0])
    assert tokens(bench.run(*others[:2], seeded, *others[2:])[2]) == alone


def test_the_text_is_all_tokens_decoded_at_once(bench: ModelBench) -> None:
    tokenizer = bench.loaded.tokenizer
    sentence = "naïve 世界 🦊👩‍🚀 \t x=1;\n\n  Ünï — “quoted” <|im_start|> end "
    ids = tokenizer.encode_text(sentence)
    detokenizer = tokenizer.detokenizer()
    assert "".join(map(detokenizer.add, ids)) + detokenizer.flush() == tokenizer.decode(ids) == sentence
    assert b"".join(map(tokenizer.bytes_of, ids)).decode() == sentence
    events = bench.run(ask("r", TokenPrompt(token_ids=tuple(ids)), seed=5, temperature=1.5, max_tokens=40))[0]
    assert text(events) == tokenizer.decode(tokens(events))
