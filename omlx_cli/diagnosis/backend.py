"""What MLX computes with, as a worker finds it: asked of a process of its own."""

from __future__ import annotations

import platform
import shlex
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import msgspec

from omlx_cli.diagnosis.check import Check, broken, ok, warn
from omlx_cli.diagnosis.subject import Subject
from omlx_cli.installation.places import reinstaller

WAITS_S = 120.0
"""For MLX to come up."""
PROBE = ["-I", "-X", "utf8", "-m", "omlx_daemon.worker", "--probe"]
_NAME = "backend"
_PYTHON = shlex.quote(sys.executable)
_REINSTALL = reinstaller(["--force-reinstall", "mlx", "mlx-lm"])
_FAST_BLAS = "sudo apt-get install libopenblas0-pthread"
_NVIDIA = Path("/proc/driver/nvidia/version")


class Probe(msgspec.Struct, frozen=True):
    """What a worker says that it computes with."""

    backend: str = ""
    device: str = ""
    blas: str = ""
    blas_path: str = ""
    blas_problem: str = ""


def checks(subject: Subject) -> Iterator[Check]:
    """Yield whether a worker can compute, and with what."""
    try:
        done = subprocess.run([sys.executable, *PROBE], capture_output=True, timeout=WAITS_S, check=False, cwd="/")
    except subprocess.TimeoutExpired:
        yield broken(_NAME, f"MLX did not come up within {WAITS_S:.0f} s", _REINSTALL)
        return
    yield _answer(done)


def _answer(done: subprocess.CompletedProcess[bytes]) -> Check:
    if done.returncode:
        return broken(_NAME, f"a worker cannot start: {_last_line(done.stderr)}", _REINSTALL)
    try:
        probe = msgspec.json.decode(done.stdout, type=Probe)
    except msgspec.DecodeError:
        return broken(_NAME, "a worker says nothing that can be read", _REINSTALL)
    return judge(probe, sys.platform, platform.machine(), _NVIDIA.exists())


def judge(probe: Probe, system: str, machine: str, has_nvidia: bool) -> Check:
    """Return what to say of a probe on a machine; on a CPU the BLAS decides how long a prompt takes."""
    found = ", ".join(part for part in (probe.backend, probe.device, probe.blas, probe.blas_path) if part)
    if probe.backend != "cpu":
        return ok(_NAME, found)
    if system == "darwin":
        if machine != "arm64":
            why = "this Python is for Intel, so nothing runs on the GPU; install omlx with one for Apple Silicon"
            return warn(_NAME, f"{found}: {why}", "brew install python")
        why = "MLX finds no Metal, as in a virtual machine, so nothing runs on the GPU"
        return warn(_NAME, f"{found}: {why}", "system_profiler SPDisplaysDataType")
    if has_nvidia:
        # Both builds bring the same library, so that one has to go first.
        fix = f"{_PYTHON} -m pip uninstall --yes mlx-cpu && {_PYTHON} -m pip install 'mlx[cuda13]'"
        return warn(_NAME, f"{found}: there is an NVIDIA GPU, and this MLX is built without CUDA", fix)
    if probe.blas_problem:
        return warn(_NAME, f"{found}: {probe.blas_problem}", "unset OMLX_BLAS")
    if "openblas" not in f"{probe.blas} {probe.blas_path}".lower():
        return warn(_NAME, f"{found}: the slow reference BLAS, prompts take about 20 times longer", _FAST_BLAS)
    return ok(_NAME, found)


def _last_line(text: bytes) -> str:
    lines = text.decode(errors="replace").strip().splitlines()
    return lines[-1].strip() if lines else "it ended without a word"
