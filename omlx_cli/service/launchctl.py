"""`launchctl`, as far as one user's job needs it. Its exit codes say little, so the callers look again."""

from __future__ import annotations

import os
import subprocess
from dataclasses import dataclass

from omlx_cli.service import Unavailable

FAILED = (5, 17, 37)
"""Input/output error, launchd's word for nearly everything; already there; already under way."""
NO_DOMAIN = (112, 125, 134)
"""No such domain; the domain does not do this; not in this session: nobody sits at the screen."""
NOT_LOADED = (3, 113)
RUNNING_ALREADY = 37

_ENDING = ("SIGTERMed", "SIGKILLed")
_TIMEOUT_S = 30.0


@dataclass(frozen=True, slots=True)
class Answer:
    """What one call said."""

    code: int
    text: str

    def __str__(self) -> str:
        lines = [line.strip() for line in self.text.splitlines() if line.strip()]
        return f"{lines[0] if lines else 'no word'} (exit code {self.code})"


@dataclass(frozen=True, slots=True)
class Loaded:
    """A job that launchd holds; `target` is domain and label, `exit` how it ended last, in launchd's words."""

    target: str
    path: str = ""
    state: str = ""
    pid: int = 0
    runs: int = 0
    exit: str = ""

    @property
    def is_ending(self) -> bool:
        """Whether it was unloaded and its process still has to end; nothing can be loaded in its place until then."""
        return self.state in _ENDING

    @property
    def exit_code(self) -> int | None:
        """The exit code of the last run; None where it has not ended, or by a signal."""
        code = self.exit.partition(":")[0]
        return int(code) if code.isdecimal() else None


class Launchctl:
    """The jobs of one user. Every method but `find` and `domain` returns launchd's answer as it is."""

    def __init__(self, label: str, command: str = "launchctl") -> None:
        self._label = label
        self._command = command
        self._domains = (f"gui/{os.getuid()}", f"user/{os.getuid()}")
        self._with_screen: bool | None = None

    def find(self) -> Loaded | None:
        """Return the job, in whichever domain it is; None where launchd holds no such job."""
        for domain in self._domains:
            answer = self._run("print", f"{domain}/{self._label}")
            if answer.code == 0:
                return _parse(f"{domain}/{self._label}", answer.text)
        return None

    def domain(self) -> str:
        """Return the domain to load into: the one of the screen where somebody is logged in there."""
        if self._with_screen is None:
            self._with_screen = self._run("print", self._domains[0]).code == 0
        return self._domains[0 if self._with_screen else 1]

    def leave_screen(self) -> bool:
        """Load without the screen from now on; False where that was so already."""
        before, self._with_screen = self._with_screen, False
        return before is not False

    def is_disabled(self, domain: str) -> bool:
        """Tell whether somebody had the label disabled, which outlives every definition."""
        # Older systems say `true` for what newer ones call `disabled`.
        answer = self._run("print-disabled", domain)
        words = (f'"{self._label}" => disabled', f'"{self._label}" => true')
        return answer.code == 0 and any(line.strip() in words for line in answer.text.splitlines())

    def enable(self, target: str) -> Answer:
        """Lift a `disable`, which outlives every definition."""
        return self._run("enable", target)

    def bootstrap(self, domain: str, path: str) -> Answer:
        """Load a definition."""
        return self._run("bootstrap", domain, path)

    def bootout(self, target: str) -> Answer:
        """Unload a job and end its process; returns before either has happened."""
        return self._run("bootout", target)

    def kickstart(self, target: str, timeout_s: float) -> Answer:
        """Start a loaded job."""
        return self._run("kickstart", target, timeout_s=timeout_s)

    def _run(self, *words: str, timeout_s: float = _TIMEOUT_S) -> Answer:
        """Run one verb. Raises Unavailable where launchctl cannot be run, TimeoutError where it does not return."""
        try:
            done = subprocess.run(
                [self._command, *words],
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                timeout=max(timeout_s, 0.1),
                check=False,
            )
        except subprocess.TimeoutExpired as error:
            raise TimeoutError(f"launchctl {words[0]} did not return") from error
        except OSError as error:
            raise Unavailable(f"launchctl: {error.strerror}") from error
        return Answer(done.returncode, done.stdout.decode(errors="replace"))


def _parse(target: str, text: str) -> Loaded:
    """Read the job's own lines, which one tab indents; what lies deeper repeats their names."""
    found: dict[str, str] = {}
    for line in text.splitlines():
        if line.startswith("\t") and line[1:2] not in ("\t", " "):
            name, equals, value = line.strip().partition(" = ")
            if equals:
                found.setdefault(name, value)
    code, signalled = found.get("last exit code", ""), found.get("last terminating signal", "")
    return Loaded(
        target=target,
        path=found.get("path", ""),
        state=found.get("state", ""),
        pid=_number(found.get("pid", "")),
        runs=_number(found.get("runs", "")),
        exit=f"signal {signalled}" if signalled else "" if code.startswith("(") else code,
    )


def _number(text: str) -> int:
    return int(text) if text.isdecimal() else 0
