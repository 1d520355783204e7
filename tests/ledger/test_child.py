"""The cache commands without a daemon, as the child process that they run."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

from tests.ledger.bench import MODELS, opened


def _run(root: Path, *arguments: str) -> tuple[int, list[Any], str]:
    job = [sys.executable, "-I", "-m", "omlx_daemon.ledger", arguments[0], "--dir", str(root), "--json", *arguments[1:]]
    done = subprocess.run(job, capture_output=True, text=True, check=False)
    return done.returncode, [json.loads(line) for line in done.stdout.splitlines()], done.stderr


def test_every_command_answers_in_json(tmp_path: Path) -> None:
    with opened(tmp_path) as bench:
        bench.chain("a", "x", 5, 5000)
        chain = bench.chain("b", "y", 3, 5000)
        bench.ledger.pin("mine", MODELS["b"], [name.hash for name in chain])
        raw = bytearray(bench.path("a", bench.chain("a", "bad", 1)[0]).read_bytes())
        raw[-1] ^= 4
        next((bench.directory("a")).glob("*/*.safetensors")).write_bytes(raw)
        bench.ledger.release("a")
    assert _run(tmp_path, "path") == (0, [{"schema_version": 1, "path": str(tmp_path), "exists": True}], "")
    code, (listed,), _ = _run(tmp_path, "ls", "--current", MODELS["a"])
    assert code == 0
    rows = {row["model"]: row for row in listed["namespaces"]}
    assert [rows[model]["blocks"] for model in "abc"] == [6, 3, 0]
    assert [rows[model]["incompatible"] for model in "abc"] == [False, True, True]
    assert _run(tmp_path, "stats", "--quota-bytes", "1000000000")[1][0]["quota_bytes"] == 1_000_000_000
    code, events, _ = _run(tmp_path, "verify")
    assert events[-1]["type"] == "done"
    assert events[-1]["report"]["damaged"] == 1
    assert events[0] == {"type": "progress", "checked": 9, "total": 9}
    assert _run(tmp_path, "prune", "--older-than", "0", "--dry-run")[1][0]["files"] == 6
    assert _run(tmp_path, "prune", "--incompatible", "--current", MODELS["a"])[1][0]["kept_pinned_files"] == 3
    assert [pin["label"] for pin in _run(tmp_path, "pins")[1][0]["pins"]] == ["mine"]
    assert _run(tmp_path, "unpin", "--label", "mine")[0] == 0
    assert _run(tmp_path, "clear")[1][0]["files"] == 9
    assert not list(tmp_path.glob("kv-v1/*"))


def test_pruning_the_incompatible_without_saying_what_is_compatible_is_refused(tmp_path: Path) -> None:
    with opened(tmp_path) as bench:
        bench.chain("a", "x", 3)
    for more in ((), ("--dry-run",), ("--older-than", "0")):
        code, documents, error = _run(tmp_path, "prune", "--incompatible", *more)
        assert (code, documents) == (2, [])
        assert json.loads(error)["error"]["param"] == "current"
    assert _run(tmp_path, "prune", "--incompatible", "--current", "none", "--dry-run")[1][0]["files"] == 3
    assert _run(tmp_path, "prune", "--incompatible")[0] == 2
    assert len(list(tmp_path.glob("kv-v1/*/*/*.safetensors"))) == 3


def test_a_directory_that_is_not_there_is_not_made(tmp_path: Path) -> None:
    root = tmp_path / "none"
    for command in ("ls", "stats", "prune", "clear", "verify", "pins", "path"):
        code, documents, _ = _run(root, command)
        assert (code, len(documents)) == (0, 1)
    assert _run(root, "prune", "--incompatible")[0] == 2
    assert not root.exists()


def test_a_mistake_is_one_error_with_its_exit_code(tmp_path: Path) -> None:
    with opened(tmp_path):
        code, documents, error = _run(tmp_path, "ls")
    assert (code, documents) == (6, [])
    assert json.loads(error)["error"]["code"] == "cache_locked"
    code, _, error = _run(tmp_path, "prune", "--older-than", "7")
    assert code == 2
    assert "write for example" in json.loads(error)["error"]["message"]
    code, _, error = _run(tmp_path, "unpin", "--label", "none")
    assert (code, json.loads(error)["error"]["code"]) == (3, "not_found")
    assert _run(tmp_path, "fly")[0] == 2
