"""A release as users get it, from the tree's own files, and versions installed from it."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import sysconfig
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from omlx_cli import __version__

ROOT = Path(__file__).parents[2]


def unpack(target: Path) -> Path:
    """Lay the files of the tree into `target`, as a release's archive would; what git ignores is left out."""
    words = ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"]
    listed = subprocess.run(words, cwd=ROOT, capture_output=True, text=True, check=True)
    for name in filter(None, listed.stdout.split("\0")):
        source, copy = ROOT / name, target / name
        if source.is_file():
            copy.parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(source, copy)
    return target


@dataclass(frozen=True)
class Version:
    """One version of omlx in an environment of its own; its dependencies are those of the tests."""

    name: str
    prefix: Path

    @classmethod
    def install(cls, folder: Path, name: str, changes: Mapping[str, tuple[str, str]] | None = None) -> Version:
        """Build and install the tree as version `name`, with texts replaced in files of it."""
        source = unpack(folder / f"source-{name}")
        for path, (old, new) in {"omlx_cli/__init__.py": (__version__, name), **(changes or {})}.items():
            text = (source / path).read_text()
            assert old in text, f"{path} has no {old!r}"
            (source / path).write_text(text.replace(old, new))
        prefix = folder / f"omlx-{name}"
        _run(sys.executable, "-m", "venv", "--without-pip", str(prefix))
        python = prefix / "bin" / "python"
        packages = _run(python, "-I", "-c", "import sysconfig; print(sysconfig.get_path('purelib'))").strip()
        Path(packages, "dependencies.pth").write_text(sysconfig.get_path("purelib") + "\n")
        pip = (sys.executable, "-m", "pip", f"--python={python}", "install", "--no-index", "--no-deps")
        _run(*pip, "--quiet", "--no-build-isolation", str(source))
        return cls(name, prefix)

    def run(self, home: Path, *words: str) -> subprocess.CompletedProcess[str]:
        """Run this version's `omlx` in a home."""
        return subprocess.run(
            [self.prefix / "bin" / "omlx", *words],
            env={**os.environ, "OMLX_HOME": str(home), "HF_HOME": str(home.parent / "hf")},
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=110,
            check=False,
        )

    def well(self, home: Path, *words: str) -> str:
        """Run a command that must succeed without a word on stderr; return its stdout."""
        done = self.run(home, *words)
        assert (done.returncode, done.stderr) == (0, ""), done
        return done.stdout


def _run(*words: str | Path) -> str:
    done = subprocess.run([str(word) for word in words], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout
