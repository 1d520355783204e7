"""What omlx answers is what mlx-lm answers, alone and in company."""

from __future__ import annotations

import json
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import openai
import pytest

from tests.e2e.conftest import Home
from tests.e2e.prompts import PROMPTS

TOKENS = 20
pytestmark = pytest.mark.model


@pytest.fixture(scope="session")
def reference(smollm2_path: Path) -> list[str]:
    """Return mlx-lm's own greedy answers."""
    done = subprocess.run(
        [sys.executable, Path(__file__).with_name("reference.py"), str(smollm2_path), str(TOKENS)],
        input=json.dumps(PROMPTS),
        capture_output=True,
        text=True,
        check=True,
        timeout=300,
    )
    return [json.loads(line) for line in done.stdout.splitlines()]


@pytest.mark.timeout(400)
def test_run_answers_as_mlx_lm_does(served: Home, reference: list[str]) -> None:
    options = ("--temperature", "0", "--max-tokens", str(TOKENS))
    answers = []
    for prompt in PROMPTS:
        done = served.run("run", *options, "smollm2", prompt)
        assert done.returncode == 0, done.stderr
        answers.append(done.stdout.removesuffix("\n"))
    assert answers == [text.removesuffix("\n") for text in reference]


@pytest.mark.timeout(400)
def test_eight_at_once_answer_as_each_alone(served: Home, reference: list[str]) -> None:
    client = openai.OpenAI(base_url=f"{served.base_url}/v1", api_key="unused", max_retries=0)

    def ask(prompt: str) -> str | None:
        reply = client.chat.completions.create(
            model="smollm2",
            messages=[{"role": "user", "content": prompt}],
            temperature=0,
            max_tokens=TOKENS,
        )
        return reply.choices[0].message.content

    with ThreadPoolExecutor(8) as threads:
        assert list(threads.map(ask, PROMPTS[:8])) == reference[:8]
    client.close()
