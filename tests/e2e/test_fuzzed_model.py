"""A fuzzer's requests to a model that is there: whatever is asked for, no answer is a server error."""

from __future__ import annotations

import json
import subprocess
import sys
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.e2e.conftest import Home, make_home
from tests.worker.scripted import write_scripted

BODIES = ("ChatCompletionBody", "CompletionBody", "MessagesBody", "CountTokensBody", "ResponsesBody", "InputTokensBody")
LONG = ("deadline_s", "timeout", "ignore_eos")
"""A deadline of no time at all is a 504 that was asked for; an answer without an end takes its time."""


@pytest.fixture
def home(tmp_path: Path) -> Iterator[Home]:
    made = make_home(tmp_path, write_scripted(tmp_path / "scripted", {"plain": ["The sky", " is", " blue."]}))
    loaded = made.run("load", "scripted", "--ttl", "never")
    assert loaded.returncode == 0, loaded.stderr
    yield made
    made.stop()


def document(home: Home) -> dict[str, Any]:
    """Return the routes of clients, with bodies that ask for the model that is there."""
    with urllib.request.urlopen(f"{home.base_url}/openapi.json", timeout=30) as reply:
        found: dict[str, Any] = json.load(reply)
    found["paths"] = {path: methods for path, methods in found["paths"].items() if path.startswith("/v1/")}
    for name in BODIES:
        fields = found["components"]["schemas"][name]["properties"]
        fields["model"] = {"enum": ["scripted"]}
        for field in LONG:
            fields.pop(field, None)
    return found


@pytest.mark.timeout(240)
def test_no_request_to_a_model_is_a_server_error(home: Home, tmp_path: Path) -> None:
    asked_of = document(home)
    (tmp_path / "document.json").write_text(json.dumps(asked_of))
    (tmp_path / "schemathesis.toml").write_text("[warnings]\nenabled = false\n")
    checks = "not_a_server_error,status_code_conformance,response_schema_conformance"
    command = [
        *(str(Path(sys.executable).with_name("schemathesis")), "run", "document.json", "--url", home.base_url),
        *("--phases", "fuzzing", "--max-examples", "40", "--seed", "1", "--generation-deterministic"),
        *("--request-timeout", "60", "--no-color", "--checks", checks),
    ]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, timeout=220, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    assert f"Tested: {sum(map(len, asked_of['paths'].values()))}" in done.stdout, done.stdout
    assert "Traceback" not in (home.path / "logs" / "daemon.log").read_text()
    asked = http_requests(home)
    assert asked > 50, f"only {asked} requests came to the model"


def http_requests(home: Home) -> int:
    """Return how many generations ended, by the daemon's metrics."""
    with urllib.request.urlopen(f"{home.base_url}/metrics", timeout=30) as reply:
        lines = reply.read().decode().splitlines()
    return int(sum(float(line.rpartition(" ")[2]) for line in lines if line.startswith("omlx_requests_total")))
