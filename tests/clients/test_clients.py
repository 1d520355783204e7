"""LiteLLM, LangChain and the `llm` command, over TCP."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from tests.api.serving import Served
from tests.clients.conftest import Run

ANSWER = "The sky is blue."
CALL = ["look", {"at": "sky"}]


@pytest.mark.timeout(900)
@pytest.mark.parametrize(("provider", "path"), [("openai", "/v1"), ("anthropic", "")])
def test_litellm(served: Served, run: Run, provider: str, path: str) -> None:
    told = run("litellm_calls.py", provider, f"{served.url}{path}", LITELLM_LOCAL_MODEL_COST_MAP="True")
    assert json.loads(told.splitlines()[-1]) == {
        "whole": ANSWER,
        "prompt_tokens": 7,
        "streamed": ANSWER,
        "call": CALL,
        "reasoning": "Two places to look.",
        "refused": True,
    }


@pytest.mark.timeout(900)
@pytest.mark.parametrize("dialect", ["chat", "responses"])
def test_langchain(served: Served, run: Run, dialect: str) -> None:
    seen = json.loads(run("langchain_calls.py", f"{served.url}/v1", dialect))
    assert seen == {"whole": ANSWER, "streamed": ANSWER, "call": CALL, "after": ANSWER}
    prompt: Any = served.inference.requests[-1].prompt
    assert [message.role for message in prompt.messages] == ["user", "assistant", "tool", "tool"]


@pytest.mark.timeout(900)
@pytest.mark.parametrize("option", [[], ["--no-stream"]])
def test_the_llm_command(served: Served, run: Run, tmp_path: Path, option: list[str]) -> None:
    models = f"- model_id: sky\n  model_name: sky\n  api_base: {served.url}/v1\n"
    (tmp_path / "extra-openai-models.yaml").write_text(models)
    words = ("-m", "sky", "--key", "none", "--no-log", *option, "Why?")
    assert run("llm", *words, LLM_USER_PATH=str(tmp_path)).strip() == ANSWER
