"""A Mac, as far as launchd goes."""

from __future__ import annotations

import os
import plistlib
import shutil
import subprocess
from pathlib import Path
from typing import Any

from omlx_cli.contract.services import LABEL
from tests.standin.machine import Machine

_SOURCE = Path(__file__).with_name("launchd") / "activate.c"
GUI, USER = f"gui/{os.getuid()}", f"user/{os.getuid()}"


class Mac(Machine):
    """Its user's LaunchAgents are empty, and somebody sits at the screen."""

    def __init__(self, folder: Path, library: str, scale: float = 0.1) -> None:
        words = (library,) if library else ()
        super().__init__(folder, "launchctl", "tests.standin.launchd", words, {"STANDIN_SCALE": str(scale)})

    @property
    def plist(self) -> Path:
        """Return where the definition lies."""
        return self.home / "Library" / "LaunchAgents" / f"{LABEL}.plist"

    def definition(self) -> dict[str, Any]:
        """Return the definition on disk."""
        found: dict[str, Any] = plistlib.loads(self.plist.read_bytes())
        return found

    def write_definition(self, content: dict[str, Any]) -> None:
        """Put down a definition, as another program would."""
        self.plist.parent.mkdir(parents=True, exist_ok=True)
        self.plist.write_bytes(plistlib.dumps(content))
        self.plist.chmod(0o600)

    def job(self, domain: str = GUI) -> str:
        """Return what launchd prints of the job; empty where it holds none."""
        printed = self.manager("print", f"{domain}/{LABEL}")
        return printed.stdout if printed.returncode == 0 else ""


def compile_library(folder: Path) -> str:
    """Return the path of the library with launchd's call, compiled now; empty where there is no compiler."""
    compiler = shutil.which("cc") or shutil.which("gcc") or shutil.which("clang")
    if compiler is None:
        return ""
    library = folder / "activate.so"
    subprocess.run(
        [compiler, "-shared", "-fPIC", "-O1", "-Wall", "-Werror", "-o", str(library), str(_SOURCE)], check=True
    )
    return str(library)
