"""Reads a Dockerfile, as far as omlx's goes, and lays out what its build would see."""

from __future__ import annotations

import json
import re
import shutil
from dataclasses import dataclass
from fnmatch import fnmatch
from pathlib import Path


@dataclass(frozen=True)
class Step:
    """One instruction of one stage."""

    stage: str
    name: str
    text: str

    def words(self) -> list[str]:
        """Return an instruction's exec form."""
        found: list[str] = json.loads(self.text[self.text.index("[") :])
        return found


def read(path: Path) -> list[Step]:
    """Return the steps, continued lines put together, comments left out."""
    text = "\n".join(line for line in path.read_text().splitlines() if not line.lstrip().startswith("#"))
    steps, stage = [], ""
    for line in re.sub(r"\\\n", " ", text).splitlines():
        if line.strip():
            name, _, rest = line.partition(" ")
            if name == "FROM":
                stage = rest.partition(" AS ")[2] or "last"
            steps.append(Step(stage, name, " ".join(rest.split())))
    return steps


def environment(steps: list[Step]) -> dict[str, str]:
    """Return what the last stage sets."""
    text = " ".join(step.text for step in steps if step.name == "ENV" and step.stage == "last")
    return dict(re.findall(r"(\w+)=(\S+)", text))


def context(source: Path, target: Path) -> Path:
    """Copy what `.dockerignore`, which leaves out everything but what it names, lets into the build."""
    lines = (source / ".dockerignore").read_text().split()
    assert lines[0] == "*"
    target.mkdir()
    for line in lines[1:]:
        if line.startswith("!"):
            path = source / line[1:]
            copy = shutil.copytree if path.is_dir() else shutil.copy2
            copy(path, target / path.name)
    left_out = [line.removeprefix("**/") for line in lines[1:] if not line.startswith("!")]
    for path in sorted(target.rglob("*"), reverse=True):
        if any(fnmatch(path.name, pattern) for pattern in left_out):
            shutil.rmtree(path)
    return target
