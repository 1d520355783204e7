"""`Formula/omlx.rb`: read by Ruby, checked for manner, and run for real by a stand-in for Homebrew's language."""

from __future__ import annotations

import filecmp
import json
import os
import plistlib
import re
import shlex
import shutil
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from omlx_cli import __version__
from omlx_cli.contract.paths import Paths
from omlx_cli.contract.services import LABEL, UNIT
from omlx_cli.contract.settings import Settings
from omlx_cli.service import plist
from omlx_cli.service.job import Job
from tests.conftest import cache_folder, exclusive
from tests.packaging.conftest import needs
from tests.packaging.release import ROOT, unpack

FORMULA = ROOT / "Formula" / "omlx.rb"
BREW = Path(__file__).with_name("formula") / "brew.rb"
OFFLINE = {"PIP_NO_INDEX": "1", "HTTPS_PROXY": "http://127.0.0.1:9", "https_proxy": "http://127.0.0.1:9"}
ORDER = [
    "desc", "homepage", "url", "sha256", "license", "livecheck", "depends_on", "on_macos", "preserve_rpath", "fetch",
    "install", "caveats", "service", "test",
]  # fmt: skip

pytestmark = needs("ruby")


def brew(command: str, *words: str, **environment: str) -> subprocess.CompletedProcess[str]:
    """Run one phase of the formula; its output is shown where it fails."""
    return subprocess.run(
        ["ruby", str(BREW), command, str(FORMULA), *words],
        env={**os.environ, **environment},
        capture_output=True,
        text=True,
        check=False,
    )


@pytest.fixture(scope="module")
def described(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, Any]]:
    """Return what the formula says of itself, and `prefix`, for which it says so."""
    prefix = tmp_path_factory.mktemp("prefix")
    done = brew("describe", str(prefix))
    assert (done.returncode, done.stderr) == (0, "")
    yield {**json.loads(done.stdout), "prefix": prefix}


def test_ruby_warns_of_nothing() -> None:
    done = subprocess.run(["ruby", "-wc", str(FORMULA), str(BREW)], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")


@needs("rubocop")
def test_rubocop_finds_nothing(tmp_path: Path) -> None:
    config = BREW.with_name("rubocop.yml")
    done = subprocess.run(
        ["rubocop", "--config", str(config), "--cache", "false", str(FORMULA), str(BREW)],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr


def test_what_it_says_of_itself(described: dict[str, Any]) -> None:
    metadata, project = described["metadata"], tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    assert described["version"] == __version__
    assert metadata["license"] == project["license"]
    assert metadata["url"].startswith(f"{metadata['homepage']}/")
    assert re.fullmatch("[0-9a-f]{64}", metadata["sha256"])
    assert len(metadata["desc"]) <= 80 and not metadata["desc"].endswith(".")
    assert not re.match("(?i)an? |the |omlx", metadata["desc"])
    assert described["stanzas"] == ORDER
    assert re.search(described["livecheck"]["regex"], '<a href="releases/omlx-1.2.3.tar.gz">')
    assert "omlx self uninstall" in described["caveats"]


def test_it_names_no_host_but_the_projects(described: dict[str, Any]) -> None:
    hosts = set(re.findall(r"https?://([^/\"\s#:]+)", FORMULA.read_text()))
    assert hosts == {described["metadata"]["homepage"].removeprefix("https://"), "127.0.0.1"}


def test_every_requirement_has_hashes() -> None:
    """The lock file names versions and hashes, and no address."""
    lock = (ROOT / "requirements.lock").read_text()
    blocks = re.split(r"\n(?=\S)", lock.strip())
    assert len(blocks) > 50
    assert all(re.match(r"\S+==\S+", block) and "--hash=sha256:" in block for block in blocks)
    assert "://" not in lock


def keg(prefix: Path) -> Path:
    """Return a keg in `prefix`, with the two programs that a definition may name."""
    libexec = prefix / "Cellar" / "omlx" / __version__ / "libexec" / "bin"
    libexec.mkdir(parents=True)
    for name in ("python", "omlx-daemon"):
        (libexec / name).write_text("#!/bin/sh\n")
        (libexec / name).chmod(0o755)
    (prefix / "opt").mkdir()
    (prefix / "opt" / "omlx").symlink_to(libexec.parents[1])
    links = libexec.parents[1] / "bin"
    links.mkdir()
    (links / "omlx-daemon").symlink_to(libexec / "omlx-daemon")
    return libexec


def test_its_service_is_the_one_that_omlx_writes(described: dict[str, Any], monkeypatch: pytest.MonkeyPatch) -> None:
    prefix = described["prefix"]
    monkeypatch.setattr(sys, "executable", str(keg(prefix) / "python"))
    job = Job.of(Paths(Path("/Users/me/.omlx")), Settings(), {})
    ours, theirs = plistlib.loads(plist.render(job, login=True)), described["plist"]
    same = ("Label", "RunAtLoad", "KeepAlive", "ProcessType", "ExitTimeOut", "ThrottleInterval")
    assert {key: theirs[key] for key in same} == {key: ours[key] for key in same}
    assert theirs["Label"] == LABEL
    assert described["unit"] == UNIT
    assert theirs["EnvironmentVariables"].items() <= ours["EnvironmentVariables"].items()
    assert set(ours["LimitLoadToSessionType"]) <= set(theirs["LimitLoadToSessionType"])
    [our_program], [their_program] = ours["ProgramArguments"], theirs["ProgramArguments"]
    assert Path(our_program).name == Path(their_program).name == "omlx-daemon"
    assert Path(our_program).resolve() == Path(their_program).resolve()
    assert all(program.startswith(f"{prefix}/opt/omlx/") for program in (our_program, their_program))
    # What the formula's language has no word for, the daemon does itself, or does without: a port that starts it.
    assert ours.keys() - theirs.keys() == {"Sockets", "SoftResourceLimits", "Umask"}
    assert theirs.keys() <= ours.keys()


def put_python(folder: Path, text: str) -> str:
    """Put the interpreter that the formula asks for into `folder`; return a PATH that finds it first."""
    folder.mkdir()
    name = re.findall(r'"(python3\.\d+)"', FORMULA.read_text())[0]
    (folder / name).write_text(f"#!/bin/sh\n{text}\n")
    (folder / name).chmod(0o755)
    return f"{folder}:{os.environ['PATH']}"


def test_without_a_fetch_phase_the_install_fetches(tmp_path: Path) -> None:
    source, prefix = unpack(tmp_path / "source"), tmp_path / "prefix"
    path = put_python(tmp_path / "tools", f'echo "$@" >>{shlex.quote(str(tmp_path / "calls"))}')
    done = brew("install", str(prefix), str(source), PATH=path)
    assert done.returncode == 0, done.stderr
    asked = [" ".join(line.split()[:4]) for line in (tmp_path / "calls").read_text().splitlines()]
    venv_python = f"--python={prefix}/Cellar/omlx/{__version__}/libexec/bin/python"
    assert asked[0] == "-m pip download --no-deps"
    assert asked[2:] == [f"-m pip {venv_python} install"] * 2


@pytest.mark.timeout(900)
def test_fetch_install_and_test_run_for_real(tmp_path: Path) -> None:
    """From a clean checkout: wheels with network, the installation without, and the formula's own test."""
    source, prefix = unpack(tmp_path / "source"), tmp_path / "prefix"
    path = put_python(tmp_path / "tools", f'exec {shlex.quote(sys.executable)} "$@"')
    fetch(prefix, source, path)
    installed = brew("install", str(prefix), str(source), PATH=path, **OFFLINE)
    assert installed.returncode == 0, installed.stderr
    check_keg(prefix / "opt" / "omlx")
    (tmp_path / "test").mkdir()
    tested = brew("test", str(prefix), str(tmp_path / "test"), PATH=path, **OFFLINE)
    assert tested.returncode == 0, tested.stderr


def fetch(prefix: Path, source: Path, path: str) -> None:
    """Fetch the wheels, and keep them for the next run."""
    fetched = brew("fetch", str(prefix), str(source), PATH=path, PIP_FIND_LINKS=find_links())
    assert fetched.returncode == 0, fetched.stderr
    kept = cache_folder() / "wheels"
    with exclusive(cache_folder() / "wheels.lock"):
        wheels = {wheel.name: wheel for wheel in (source / "wheelhouse").glob("*.whl")}
        for old in kept.glob("*.whl"):
            if old.name not in wheels:
                old.unlink()
        for name, wheel in wheels.items():
            if not (kept / name).exists():
                shutil.copy2(wheel, kept / f"{name}.part")
                (kept / f"{name}.part").rename(kept / name)


def find_links() -> str:
    """Return pip's setting that finds the wheels of an earlier run; their hashes are checked as ever."""
    kept = cache_folder() / "wheels"
    kept.mkdir(exist_ok=True)
    return f"{os.environ.get('PIP_FIND_LINKS', '')} {kept}".strip()


def check_keg(keg: Path) -> None:
    """Check what an installation holds beside its packages."""
    assert sorted(link.name for link in (keg / "bin").iterdir()) == ["omlx", "omlx-daemon"]
    assert filecmp.cmp(keg / "etc/bash_completion.d/omlx", ROOT / "completions/omlx.bash", shallow=False)
    assert filecmp.cmp(keg / "share/zsh/site-functions/_omlx", ROOT / "completions/_omlx", shallow=False)
    completions = keg / "share/fish/vendor_completions.d/omlx.fish"
    assert filecmp.cmp(completions, ROOT / "completions/omlx.fish", shallow=False)
    pages = {page.name for page in (keg / "share/man/man1").iterdir()}
    assert pages == {page.name for page in (ROOT / "man").iterdir()}
    [package] = (keg / "libexec/lib").glob("python3.*/site-packages/omlx_cli")
    assert list((package / "__pycache__").glob("cli.*.pyc")), "the first start would have to compile"
    assert not (package.parent / "tests").exists()
    script = subprocess.run([keg / "bin/omlx", "completion", "zsh"], capture_output=True, text=True, check=True)
    assert script.stdout == (ROOT / "completions/_omlx").read_text()
