"""Requests that are wrong, against the real daemon with the real model: clear answers, and it goes on."""

from __future__ import annotations

import http.client
import json
import subprocess
import sys
from pathlib import Path

import pytest

from tests.api.malformed import requests
from tests.e2e.conftest import Home

pytestmark = pytest.mark.model
JSON = {"Content-Type": "application/json"}
SHORT = '[models."smollm2"]\ncontext_limit = 64\n'
"""The fuzzer reads the models' names from their list, and asks for answers without an end."""


def answers(home: Home) -> bool:
    done = home.run("run", "smollm2", "Say hi.", "--max-tokens", "2", "--temperature", "0")
    return done.returncode == 0 and bool(done.stdout.strip())


def test_several_hundred_malformed_requests(served: Home) -> None:
    connection = http.client.HTTPConnection(str(served.info()["address"]), timeout=30)
    refused = 0
    for wrong in requests():
        body = wrong.body.replace(b'"sky"', b'"smollm2"')
        connection.request("POST", wrong.path, body, JSON)
        reply = connection.getresponse()
        text = reply.read()
        assert reply.status == 400, (wrong, text)
        assert set(json.loads(text)["error"]) == {"message", "type", "param", "code"}
        assert b"Traceback" not in text
        refused += 1
    connection.close()
    assert refused >= 200
    assert answers(served)
    assert "Traceback" not in (served.path / "logs" / "daemon.log").read_text()


@pytest.mark.timeout(300)
def test_schemathesis_finds_no_server_error(fresh_home: Home, tmp_path: Path) -> None:
    with (fresh_home.path / "config.toml").open("a") as config:
        config.write(SHORT)
    assert fresh_home.run("load", "smollm2", "--ttl", "never").returncode == 0
    command = [
        str(Path(sys.executable).with_name("schemathesis")),
        *("run", f"{fresh_home.base_url}/openapi.json", "--checks", "not_a_server_error", "--max-examples", "5"),
        *("--phases", "examples,coverage,fuzzing", "--request-timeout", "60", "--no-color"),
    ]
    (tmp_path / "schemathesis.toml").write_text("[warnings]\nenabled = false\n")
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, timeout=280, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    assert answers(fresh_home)
    assert "Traceback" not in (fresh_home.path / "logs" / "daemon.log").read_text()
