"""The lock files: of one mind with each other and with `pyproject.toml`, by hashes alone."""

from __future__ import annotations

import re
import tomllib

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from tests.packaging.release import ROOT

LOCKS = ("requirements.lock", "requirements-dev.lock", "requirements-cuda.lock")
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())

ON_CUDA = [
    line.replace("mlx[cpu]", "mlx-cuda-13")
    for line in PROJECT["project"]["dependencies"]
    if line.startswith("mlx[cpu]")
]


def pins(name: str) -> dict[str, set[str]]:
    """Return the versions of each package, of which there may be one for each Python."""
    found: dict[str, set[str]] = {}
    for package, version in re.findall(r"^([\w.-]+)==(\S+)", (ROOT / name).read_text(), re.MULTILINE):
        found.setdefault(canonicalize_name(package), set()).add(version)
    return found


@pytest.mark.parametrize("name", LOCKS)
def test_every_pin_has_hashes_and_none_an_address(name: str) -> None:
    text = (ROOT / name).read_text()
    blocks = re.split(r"\n(?=\S)", text.strip())
    assert all(re.match(r"\S+==\S+", block) and "--hash=sha256:" in block for block in blocks)
    assert "://" not in text and "--index" not in text and "--find-links" not in text


@pytest.mark.parametrize(
    ("name", "wanted"),
    [
        ("requirements.lock", PROJECT["project"]["dependencies"] + PROJECT["dependency-groups"]["build"]),
        ("requirements-dev.lock", PROJECT["dependency-groups"]["dev"]),
        ("requirements-cuda.lock", ON_CUDA),
    ],
)
def test_every_dependency_is_locked_in_a_version_that_fits(name: str, wanted: list[str]) -> None:
    locked = pins(name)
    for line in wanted:
        requirement = Requirement(line)
        versions = locked.get(canonicalize_name(requirement.name), set())
        assert versions, f"{requirement.name} is not in {name}: make lock"
        assert all(requirement.specifier.contains(version) for version in versions), line


def test_what_users_get_is_what_was_tested() -> None:
    runtime, dev, cuda = map(pins, LOCKS)
    assert {name: dev.get(name) for name in runtime} == runtime
    assert {name: cuda[name] for name in cuda.keys() & runtime.keys()} == {
        name: runtime[name] for name in cuda.keys() & runtime.keys()
    }
