"""The OpenAPI document, and what a fuzzer makes of it."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from pathlib import Path

import jsonschema
import pytest

from omlx_cli.contract import routes
from omlx_cli.contract.errors import MEANINGS, Code
from omlx_cli.contract.settings import ServerSettings
from omlx_daemon.api.openai.schema import ChatCompletionBody, CompletionBody
from tests.api.serving import Served, serving, until

KEY = "fuzz"
PHASES = "examples,coverage,fuzzing"
CONFIG = """
[warnings]
enabled = false

# Some fields need others (top_logprobs needs logprobs, a user's message content, ttl a unit), which no schema says.
[[operations]]
include-path = [
  "/v1/chat/completions", "/v1/completions", "/omlx/v1/models/load",
  "/v1/messages", "/v1/messages/count_tokens", "/v1/models", "/v1/responses",
  "/v1/responses/input_tokens"
]
checks.positive_data_acceptance.expected-statuses = ["2xx", "400", "507"]

# Units, labels that exist, absolute paths.
[[operations]]
include-path-regex = "^/omlx/v1/cache/"
checks.positive_data_acceptance.expected-statuses = ["2xx", "400", "404", "503"]
"""


@pytest.mark.timeout(400)
def test_fuzzed(socket_folder: Path, tmp_path: Path) -> None:
    """Schemathesis finds no 5xx, no undocumented status or shape, no accepted nonsense."""
    (tmp_path / "schemathesis.toml").write_text(CONFIG)
    with serving(socket_folder / "fuzzed", ServerSettings(api_key=KEY)) as served:
        served.inference.any_name = True
        done = subprocess.run(
            [
                *(Path(sys.executable).with_name("schemathesis"), "run", f"{served.url}/openapi.json"),
                *("-H", f"x-api-key: {KEY}", "--phases", PHASES, "--max-examples", "20", "--seed", "1"),
                # A stream without an end; tests/live reads it.
                *("--generation-deterministic", "--no-color", "--exclude-path", routes.EVENTS),
            ],
            cwd=tmp_path,
            capture_output=True,
            text=True,
            timeout=360,
            check=False,
        )
        assert done.returncode == 0, done.stdout + done.stderr
        assert f"Tested: {operations(served) - 1}" in done.stdout
        assert len(served.inference.requests) > 100
        until(lambda: served.inference.started == served.inference.closed)
        assert served.ask("GET", "/health").status == 200


def test_every_route_is_in_it(served: Served) -> None:
    """But for those that have no engine yet, whose one answer is a 501: tests/api/test_unbuilt.py has them."""
    named = {value for name, value in vars(routes).items() if name.isupper() and value.startswith("/")}
    unbuilt = {routes.EMBEDDINGS, routes.RERANK, routes.RERANK_PLAIN, routes.RESPONSE_COMPACT}
    paths = served.ask("GET", "/openapi.json").json["paths"]
    assert {path.partition("/{")[0] for path in paths} == named - unbuilt


def test_every_way_for_a_generation_to_fail_is_in_it(served: Served) -> None:
    failures = {
        *(Code.INVALID_REQUEST, Code.MODEL_NOT_FOUND, Code.CONTEXT_LENGTH_EXCEEDED, Code.UNSUPPORTED_MODEL),
        *(Code.INSUFFICIENT_MEMORY, Code.MEMORY_BUSY, Code.QUEUE_FULL, Code.SHUTTING_DOWN, Code.LOAD_FAILED),
        *(Code.WORKER_CRASHED, Code.WORKER_STUCK, Code.GENERATION_FAILED, Code.CANCELLED, Code.TIMEOUT, Code.INTERNAL),
    }
    paths = served.ask("GET", "/openapi.json").json["paths"]
    for path in (routes.CHAT_COMPLETIONS, routes.COMPLETIONS, routes.RESPONSES):
        told = paths[path]["post"]["responses"].keys()
        assert {str(MEANINGS[code].http_status) for code in failures} <= told


def operations(served: Served) -> int:
    """Return how many operations the document describes."""
    paths = served.ask("GET", "/openapi.json", headers={"x-api-key": KEY}).json["paths"]
    return sum(len(methods) for methods in paths.values())


def test_every_reference_resolves(served: Served) -> None:
    text = served.ask("GET", "/openapi.json").text
    document = json.loads(text)
    assert set(re.findall(r'"#/components/schemas/(\w+)"', text)) <= document["components"]["schemas"].keys()
    for name, component in document["components"]["schemas"].items():
        jsonschema.Draft202012Validator.check_schema(component)
        assert component, name


def test_ranges_are_in_the_document(served: Served) -> None:
    components = served.ask("GET", "/openapi.json").json["components"]["schemas"]
    for body in (ChatCompletionBody, CompletionBody):
        properties = components[body.__name__]["properties"]
        assert properties["temperature"]["anyOf"][0] == {"type": "number", "minimum": 0, "maximum": 2}
        assert properties["logit_bias"]["anyOf"][0]["propertyNames"] == {"pattern": "^[0-9]{1,9}$"}


def test_nothing_comes_from_elsewhere(served: Served) -> None:
    answer = served.ask("GET", "/openapi.json")
    assert answer.headers["content-type"].startswith("application/vnd.oai.openapi+json")
    assert "http" not in answer.text.replace('"http":', "")
    for path in ("/schema", "/docs", "/redoc", "/swagger"):
        assert served.ask("GET", path).status == 404
