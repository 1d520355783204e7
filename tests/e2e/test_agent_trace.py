"""An agent's conversation: each turn computes what is new in it and no more than a block besides."""

from __future__ import annotations

import http.client
import json
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from omlx_cli.contract.misses import MissCause
from omlx_daemon.coldstore.names import BLOCK_TOKENS
from tests.e2e import agent_trace
from tests.e2e.conftest import Home, make_home
from tests.worker.models import write_model

SIZES = {"vocab_size": 49_152, "max_position_embeddings": 8192}
TOKENIZER = ("tokenizer.json", "tokenizer_config.json")
TEMPLATE = (
    "{% if tools %}<|im_start|>system\n# Tools\n{% for tool in tools %}{{ tool | tojson }}\n{% endfor %}<|im_end|>\n"
    "{% endif %}{% for m in messages %}{% if m.role == 'system' and not loop.first %}"
    "{{ raise_exception('System message must be at the beginning.') }}{% endif %}"
    "<|im_start|>{{ m.role }}\n{{ m.content }}"
    "{% for call in m.tool_calls or [] %}\n<tool_call>\n{{ call.function | tojson }}\n</tool_call>{% endfor %}"
    "<|im_end|>\n{% endfor %}{% if add_generation_prompt %}<|im_start|>assistant\n{% endif %}"
)
FIELDS: dict[str, Any] = {"model": "agent", "max_tokens": 1, "temperature": 0}
DIALECTS = {"/v1/chat/completions": agent_trace.openai, "/v1/messages": agent_trace.anthropic}


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory, smollm2_path: Path) -> Iterator[Home]:
    """Return a home with a model whose template knows tools and refuses late system messages.

    Its tokens are those of SmolLM2, and nothing else decides the counts; its weights are random and few.
    """
    parent = tmp_path_factory.mktemp("agent")
    model = write_model(parent / "agent", sizes=SIZES)
    for name in TOKENIZER:
        shutil.copy2(smollm2_path / name, model)
    (model / "chat_template.jinja").write_text(TEMPLATE)
    made = make_home(parent, model)
    loaded = made.run("load", "agent", "--ttl", "never")
    assert loaded.returncode == 0, loaded.stderr
    yield made
    made.stop()


def ask(home: Home, route: str, body: dict[str, Any]) -> tuple[int, int, str]:
    """Return a prompt's tokens, how many were computed, and the header of a miss."""
    connection = http.client.HTTPConnection(home.base_url.removeprefix("http://"), timeout=110)
    try:
        connection.request("POST", route, json.dumps({**FIELDS, **body}), {"content-type": "application/json"})
        response = connection.getresponse()
        found = response.read()
    finally:
        connection.close()
    assert response.status == 200, found
    parts = dict(part.split("=") for part in response.headers["x-omlx-cache"].split())
    reused, computed = int(parts["hot"]) + int(parts["cold"]), int(parts["recomputed"])
    return reused + computed, computed, response.headers.get("x-omlx-cache-miss", "")


@pytest.mark.parametrize("route", DIALECTS)
def test_each_turn_computes_what_is_new_and_at_most_a_block_more(home: Home, route: str) -> None:
    before_tokens, computed = 0, []
    for turn in range(1, agent_trace.TURNS + 1):
        body = {**DIALECTS[route](turn), "cache_salt": route}
        prompt_tokens, recomputed, miss = ask(home, route, body)
        computed.append(recomputed)
        if turn > 1:
            assert recomputed <= prompt_tokens - before_tokens + BLOCK_TOKENS, (turn, computed)
            assert not miss
        before_tokens = prompt_tokens
    assert computed[0] >= 1500, "the system prompt and the tools are as long as an agent's"
    assert sum(computed[1:]) < agent_trace.TURNS * BLOCK_TOKENS


@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize("route", DIALECTS)
def test_tools_that_are_gone_are_named_by_the_header(home: Home, route: str, stream: bool) -> None:
    salt = {"cache_salt": f"{route} {stream}"}
    before_tokens = ask(home, route, {**DIALECTS[route](3), **salt})[0]
    later = DIALECTS[route](4)
    _, computed, miss = ask(home, route, {**later, "tools": later["tools"][:3], "stream": stream, **salt})
    cause, place, avoidable = (part.partition("=")[2] for part in miss.split())
    assert cause == MissCause.TOOLS_CHANGED
    assert 0 < int(place) < before_tokens
    assert 1000 < int(avoidable) <= computed


def test_the_rules_that_made_it_so_are_counted(home: Home) -> None:
    before = _applied(home)
    turns = agent_trace.REMINDED_AT + 2
    ask(home, "/v1/chat/completions", agent_trace.openai(turns))
    after = _applied(home)
    changed = {name for name in after if after[name] > before[name]}
    assert changed >= {"attribution_header", "token_counter", "tools_order", "tools_json", "system_in_place"}


def _applied(home: Home) -> dict[str, int]:
    found = json.loads(home.run("cache", "stats", "--json").stdout)
    counts: dict[str, int] = found["metrics"]["prompt_rules"]
    return counts


def test_doctor_lists_them(home: Home) -> None:
    ask(home, "/v1/chat/completions", agent_trace.openai(1))
    checks = json.loads(home.run("doctor", "agents", "--json").stdout)["checks"]
    (rules,) = [check for check in checks if check["name"] == "prompt_rules"]
    assert [line.split()[0] for line in rules["details"]] == list(_applied(home))
    assert any(line.split()[:2] == ["tools_order", "on"] and int(line.split()[2]) for line in rules["details"])
