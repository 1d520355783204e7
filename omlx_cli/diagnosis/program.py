"""A file called `omlx`: which installation it runs."""

from __future__ import annotations

import contextlib
import os
import re
import shlex
import subprocess
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from omlx_cli.contract import files
from omlx_cli.installation.places import uninstaller

TIMEOUT_S = 10.0
"""How long another omlx may take to tell its version."""
_LARGEST_SCRIPT_BYTES = 64 << 10
_SHEBANG = re.compile(r"#!\s*(?P<python>/\S+)")
_EXEC = re.compile(r"#!/bin/sh\n'''exec' (?P<words>.*)")
"""How pip writes an interpreter that no first line can name."""
_SHIM = re.compile(r"^python=(?P<python>.*)\npackage=(?P<package>.*)$", re.MULTILINE)
_VERSION = re.compile(r"omlx (\d\S*)")


@dataclass(frozen=True, slots=True)
class Program:
    """An executable on the PATH."""

    path: Path
    python: str = ""
    """The interpreter that it starts; empty where it tells none."""
    is_shim: bool = False

    @classmethod
    def read(cls, path: Path) -> Program:
        """Return what a file tells of itself; nothing is run."""
        try:
            with files.opened(path) as file:
                text = file.read(_LARGEST_SCRIPT_BYTES).decode(errors="replace")
        except OSError:
            return cls(path)
        shim = _SHIM.search(text)
        if shim:
            return cls(path, "".join(shlex.split(shim["python"])), is_shim=True)
        python = _interpreter(text)
        return cls(path, python if Path(python).name.startswith("python") else "")

    @property
    def prefix(self) -> Path:
        """The environment that it belongs to: the folder above its interpreter's, or above its own."""
        script = Path(self.python) if self.python else self.path.resolve()
        return script.parent.parent.resolve()

    @property
    def can_run(self) -> bool:
        """Whether what it starts is there."""
        return not self.python or os.access(self.python, os.X_OK)

    def version(self) -> str:
        """Run it, and return the version that it tells; empty where it tells none in time."""
        try:
            done = subprocess.run(
                [self.path, "--version"],
                capture_output=True,
                text=True,
                errors="replace",
                stdin=subprocess.DEVNULL,
                timeout=TIMEOUT_S,
                check=False,
            )
        except (OSError, subprocess.TimeoutExpired):
            return ""
        found = _VERSION.match(done.stdout)
        return found[1] if found and done.returncode == 0 else ""

    def remover(self) -> str:
        """Return the command that removes it."""
        if self.is_shim or not self.python:
            return f"rm {shlex.quote(str(self.path))}"
        return uninstaller(Path(self.python).parent.parent, self.python)


def _interpreter(script: str) -> str:
    """Return what a script's first lines start; empty where that cannot be told."""
    if long := _EXEC.match(script):
        with contextlib.suppress(ValueError):
            return shlex.split(long["words"])[0]
    found = _SHEBANG.match(script)
    return found["python"] if found else ""


def on_path(environ: Mapping[str, str], name: str = "omlx") -> list[Program]:
    """Return every file of that name that a shell would find, the first one first; links to one file count once."""
    found: dict[Path, Program] = {}
    for folder in environ.get("PATH", os.defpath).split(os.pathsep):
        path = Path(folder or ".").expanduser() / name
        if path.is_file() and os.access(path, os.X_OK):
            found.setdefault(path.resolve(), Program.read(path))
    return list(found.values())
