"""`systemctl --user`, as far as the daemon's two units need it."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from omlx_cli.service import Unavailable

_TIMEOUT_S = 30.0


@dataclass(frozen=True, slots=True)
class Answer:
    """What one call said."""

    code: int
    text: str

    def __str__(self) -> str:
        lines = [line.strip() for line in self.text.splitlines() if line.strip()]
        return f"{lines[0] if lines else 'no word'} (exit code {self.code})"


class Systemctl:
    """The units of one user. Every method may raise Unavailable, and TimeoutError where there is no answer."""

    def __init__(self, environ: Mapping[str, str], command: str = "systemctl") -> None:
        # Without a login session nobody sets the variable, and yet the user's manager may be there.
        self._runtime = environ.get("XDG_RUNTIME_DIR") or f"/run/user/{os.getuid()}"
        self._environ = {**environ, "XDG_RUNTIME_DIR": self._runtime}
        self._command = command

    def answers(self) -> bool:
        """Tell whether the user's own service manager runs and talks to us."""
        if not (Path(self._runtime) / "systemd" / "private").exists():
            return False
        try:
            return self.run("show-environment").code == 0
        except (Unavailable, TimeoutError):
            return False

    def show(self, unit: str) -> dict[str, str]:
        """Return the properties of a unit that matter here."""
        names = "LoadState,ActiveState,SubState,MainPID,ExecMainCode,ExecMainStatus,UnitFileState,NeedDaemonReload"
        answer = self.run("show", f"--property={names}", unit)
        if answer.code:
            raise Unavailable(f"systemctl show: {answer}")
        return dict(line.split("=", 1) for line in answer.text.splitlines() if "=" in line)

    def run(self, *words: str, timeout_s: float = _TIMEOUT_S) -> Answer:
        """Run one verb and return what it said."""
        try:
            done = subprocess.run(
                [self._command, "--user", "--no-pager", *words],
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                env=self._environ,
                timeout=max(timeout_s, 0.1),
                check=False,
            )
        except subprocess.TimeoutExpired as error:
            raise TimeoutError(f"systemctl {words[0]} did not return") from error
        except OSError as error:
            raise Unavailable(f"systemctl: {error.strerror}") from error
        return Answer(done.returncode, done.stdout.decode(errors="replace"))
