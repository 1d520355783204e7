"""The Dockerfile, as far as it goes without an engine: linted, its build run in a folder, its command run for real."""

from __future__ import annotations

import json
import os
import re
import shlex
import shutil
import signal
import subprocess
import sys
import urllib.request
from pathlib import Path

import pytest

from tests.packaging import dockerfile
from tests.packaging.release import ROOT, unpack
from tests.packaging.test_formula import find_links
from tests.standin.machine import free_port
from tests.waiting import wait_until

FILE = ROOT / "Dockerfile"
STEPS = dockerfile.read(FILE)


def only(name: str) -> dockerfile.Step:
    (step,) = [step for step in STEPS if step.name == name]
    return step


def test_hadolint_finds_nothing() -> None:
    lint = Path(sys.executable).with_name("hadolint")
    if not lint.exists():
        pytest.skip("not installed here: hadolint")
    done = subprocess.run([lint, str(FILE)], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout) == (0, "")


def test_it_runs_as_a_user_and_keeps_its_home_in_a_volume() -> None:
    environment = dockerfile.environment(STEPS)
    assert only("USER").text == "1000:1000"
    assert STEPS.index(only("USER")) > max(index for index, step in enumerate(STEPS) if step.name == "RUN")
    assert only("VOLUME").text == environment["OMLX_HOME"]
    assert environment["HF_HOME"].startswith(f"{environment['OMLX_HOME']}/")
    assert f"--owner omlx --group omlx {environment['OMLX_HOME']}" in " ".join(step.text for step in STEPS)
    assert environment["PATH"].startswith("/opt/omlx/bin:")


def test_every_package_comes_by_its_hash() -> None:
    asked = [step.text for step in STEPS if step.name == "RUN" and "pip install" in step.text]
    installs = [part for text in asked for part in text.split("pip install")[1:]]
    assert len(installs) == 3
    assert all("--require-hashes" in part or "--no-index" in part for part in installs)
    blocks = re.split(r"\n(?=\S)", (ROOT / "requirements-cuda.lock").read_text().strip())
    assert all(re.match(r"\S+==\S+", block) and "--hash=sha256:" in block for block in blocks)


def test_both_variants_have_one_mlx() -> None:
    """The CUDA build of MLX goes with the mlx of the ordinary lock file."""

    def pins(name: str) -> dict[str, str]:
        return dict(re.findall(r"^(mlx[\w-]*)==(\S+)", (ROOT / name).read_text(), re.MULTILINE))

    ordinary, cuda = pins("requirements.lock"), pins("requirements-cuda.lock")
    assert set(ordinary.values()) - {ordinary["mlx-lm"]} == set(cuda.values())
    assert "mlx-cuda-13" in cuda


@pytest.mark.timeout(900)
def test_the_build_and_the_command_run_for_real(tmp_path: Path) -> None:
    """The build stage in a folder; then the command, the health check and the stop of the image."""
    prefix, home = tmp_path / "opt", tmp_path / "home"
    build(tmp_path, prefix)
    home.mkdir(mode=0o700)
    environment = {"PATH": f"{prefix}/bin:/usr/bin:/bin", "OMLX_HOME": str(home), "HF_HOME": str(home / "hf")}
    entry, arguments, check = only("ENTRYPOINT").words(), only("CMD").words(), only("HEALTHCHECK").words()

    def omlx(*words: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(words, env=environment, capture_output=True, text=True, timeout=60, check=False)

    refused = omlx(*entry, *arguments)
    assert refused.returncode != 0
    assert "there is no API key" in refused.stderr
    assert "Traceback" not in refused.stderr
    for key, value in (("server.api_key", "secret"), ("server.port", str(free_port()))):
        assert omlx(*entry, "config", "set", key, value).returncode == 0
    assert omlx(*check).returncode == 4
    with (tmp_path / "said").open("w") as said:
        container = subprocess.Popen([*entry, *arguments], env=environment, stdout=said, stderr=said)
    try:
        wait_until(lambda: omlx(*check).returncode == 0)
        address = json.loads((home / "run" / "daemon.json").read_text())["address"]
        assert address.startswith("0.0.0.0:")
        with pytest.raises(urllib.error.HTTPError, match="401"):
            models(address, "wrong")
        assert models(address, "secret") == {"object": "list", "data": []}
    finally:
        container.send_signal(signal.SIGTERM)
        assert container.wait(60) == 0
    assert omlx(*check).returncode == 4


def build(folder: Path, prefix: Path) -> None:
    """Run the steps of the build stage, with the folders of the image in `folder`."""
    source = dockerfile.context(unpack(folder / "tree"), folder / "context")
    tools = folder / "tools"
    tools.mkdir()
    (tools / "python").write_text(f'#!/bin/sh\nexec {shlex.quote(sys.executable)} "$@"\n')
    (tools / "python").chmod(0o755)
    # Compiling takes most of an installation's time, and shows nothing here.
    path = f"{tools}:{os.environ['PATH']}"
    environment = {**os.environ, "PATH": path, "VARIANT": "cpu", "PIP_FIND_LINKS": find_links(), "PIP_NO_COMPILE": "1"}
    for step in STEPS:
        if step.stage == "build" and step.name == "RUN":
            text = step.text.replace("/opt/omlx", str(prefix))
            done = subprocess.run(
                ["/bin/sh", "-c", text], cwd=source, env=environment, capture_output=True, text=True, check=False
            )
            assert done.returncode == 0, done.stderr
    shutil.rmtree(source)


def models(address: str, key: str) -> object:
    request = urllib.request.Request(
        f"http://{address.replace('0.0.0.0', '127.0.0.1')}/v1/models", headers={"Authorization": f"Bearer {key}"}
    )
    with urllib.request.urlopen(request, timeout=60) as reply:
        return json.load(reply)
