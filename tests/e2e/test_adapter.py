"""The real model with an adapter answers as mlx-lm does with it, also from the cache after a restart."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from tests.e2e.conftest import Home
from tests.e2e.prompts import PROMPTS
from tests.worker.adapters import write_adapter

ASKED, TOKENS = PROMPTS[:2], 10
pytestmark = pytest.mark.model


def answers(home: Home) -> list[str]:
    found = []
    for prompt in ASKED:
        done = home.run("run", "--temperature", "0", "--max-tokens", str(TOKENS), "smollm2", prompt)
        assert done.returncode == 0, done.stderr
        found.append(done.stdout.removesuffix("\n"))
    return found


def of_mlx_lm(model: Path, *adapter: Path) -> list[str]:
    done = subprocess.run(
        [sys.executable, Path(__file__).with_name("reference.py"), str(model), str(TOKENS), *map(str, adapter)],
        input=json.dumps(ASKED),
        capture_output=True,
        text=True,
        check=True,
        timeout=300,
    )
    return [json.loads(line).removesuffix("\n") for line in done.stdout.splitlines()]


@pytest.mark.timeout(400)
def test_smollm2_with_an_adapter_answers_as_mlx_lm_does(fresh_home: Home, smollm2_path: Path) -> None:
    adapter = write_adapter(fresh_home.path / "tuned", smollm2_path, size=0.03)
    assert fresh_home.run("config", "set", "models.smollm2.adapter", "tuned").returncode == 0
    found = answers(fresh_home)
    assert found == of_mlx_lm(smollm2_path, adapter)
    assert found != of_mlx_lm(smollm2_path)
    assert fresh_home.run("stop").returncode == 0
    assert answers(fresh_home) == found
