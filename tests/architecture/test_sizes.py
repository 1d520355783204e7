"""Caps on the size of files and functions."""

from __future__ import annotations

import ast
import subprocess
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).parents[2]
MAX_FILE_LINES = 400
MAX_FUNCTION_LINES = 60
TOP_LEVEL = {
    "omlx_cli", "omlx_daemon", "Formula", "completions", "scripts", "tests", "benchmarks", "docs", ".ci",
    ".gitignore", "CHANGELOG.md", "CONTRIBUTING.md", "LICENSE", "Makefile", "README.md", "pyproject.toml",
    "requirements.lock", "requirements-dev.lock", "requirements-cuda.lock", "man", "Dockerfile", ".dockerignore",
}  # fmt: skip


def _tracked() -> list[Path]:
    listed = subprocess.run(["git", "ls-files"], cwd=ROOT, capture_output=True, text=True, check=True)
    return [ROOT / name for name in listed.stdout.splitlines() if (ROOT / name).is_file()]


def _functions(path: Path) -> Iterator[tuple[str, int]]:
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            yield f"{path.relative_to(ROOT)}:{node.lineno} {node.name}", (node.end_lineno or 0) - node.lineno + 1


def test_no_file_is_longer_than_the_cap() -> None:
    long = {str(p.relative_to(ROOT)): n for p in _python() if (n := len(p.read_text().splitlines())) > MAX_FILE_LINES}
    assert not long


def test_no_function_is_longer_than_the_cap() -> None:
    long = {name: lines for path in _python() for name, lines in _functions(path) if lines > MAX_FUNCTION_LINES}
    assert not long


def test_the_top_level_holds_only_what_the_design_names() -> None:
    found = {path.relative_to(ROOT).parts[0] for path in _tracked()}
    assert found <= TOP_LEVEL, found - TOP_LEVEL


def _python() -> list[Path]:
    return [path for path in _tracked() if path.suffix == ".py"]
