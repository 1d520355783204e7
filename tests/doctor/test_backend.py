"""What MLX computes with, and what is said of it."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from omlx_cli.diagnosis import backend
from omlx_cli.diagnosis.check import Verdict
from tests.doctor.conftest import Look

SLOW = {"backend": "cpu", "blas": "reference"}
FAST = {"backend": "cpu", "blas": "OpenBLAS 0.3.21", "blas_path": "/usr/lib/libopenblas.so.0"}


def test_the_real_worker_computes_here(look: Look) -> None:
    (check,) = look("backend")
    assert check.verdict in (Verdict.OK, Verdict.WARNING)
    assert check.found.split(",")[0] in ("cpu", "metal", "cuda")


WITH_CUDA = f"{backend._PYTHON} -m pip uninstall --yes mlx-cpu && {backend._PYTHON} -m pip install 'mlx[cuda13]'"


@pytest.mark.parametrize(
    ("probe", "system", "machine", "nvidia", "verdict", "fix"),
    [
        ({"backend": "metal", "device": "Apple M4"}, "darwin", "arm64", False, Verdict.OK, ""),
        ({"backend": "cuda"}, "linux", "x86_64", True, Verdict.OK, ""),
        (FAST, "linux", "x86_64", False, Verdict.OK, ""),
        (SLOW, "linux", "x86_64", False, Verdict.WARNING, "sudo apt-get install libopenblas0-pthread"),
        (
            {**SLOW, "blas_problem": "OMLX_BLAS=x is no BLAS"},
            "linux",
            "x86_64",
            False,
            Verdict.WARNING,
            "unset OMLX_BLAS",
        ),
        (FAST, "linux", "x86_64", True, Verdict.WARNING, WITH_CUDA),
        ({"backend": "cpu"}, "darwin", "x86_64", False, Verdict.WARNING, "brew install python"),
        ({"backend": "cpu"}, "darwin", "arm64", False, Verdict.WARNING, "system_profiler SPDisplaysDataType"),
    ],
)
def test_what_decides(
    probe: dict[str, Any], system: str, machine: str, nvidia: bool, verdict: Verdict, fix: str
) -> None:
    check = backend.judge(msgspec.convert(probe, backend.Probe), system, machine, nvidia)
    assert (check.verdict, check.fix) == (verdict, fix)


@pytest.mark.parametrize(
    ("code", "found"),
    [
        ("raise SystemExit('ImportError: no mlx here')", "a worker cannot start: ImportError: no mlx here"),
        ("print('hello')", "a worker says nothing that can be read"),
        ("import os; os.abort()", "a worker cannot start: it ended without a word"),
    ],
)
def test_a_worker_that_cannot_start(look: Look, monkeypatch: pytest.MonkeyPatch, code: str, found: str) -> None:
    monkeypatch.setattr(backend, "PROBE", ["-c", code])
    (check,) = look("backend")
    assert (check.verdict, check.found) == (Verdict.BROKEN, found)
    assert check.fix.endswith(" -m pip install --force-reinstall mlx mlx-lm")


def test_a_worker_that_never_answers(look: Look, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(backend, "PROBE", ["-c", "import time; time.sleep(600)"])
    monkeypatch.setattr(backend, "WAITS_S", 0.3)
    (check,) = look("backend")
    assert (check.verdict, check.found) == (Verdict.BROKEN, "MLX did not come up within 0 s")
