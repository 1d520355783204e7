"""The daemon as a job of launchd: loaded without starting, started by a command or by the first connection."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path

from omlx_cli.contract.errors import Code, OmlxError
from omlx_cli.contract.services import LABEL
from omlx_cli.service import Unavailable, definition, plist
from omlx_cli.service.job import Job
from omlx_cli.service.launchctl import FAILED, NO_DOMAIN, NOT_LOADED, RUNNING_ALREADY, Answer, Launchctl, Loaded
from omlx_cli.service.plist import Installed
from omlx_cli.service.report import ServiceReport
from omlx_cli.service.starting import Ended, Starting

_LOADS, _KICKS = 5, 3
_POLL_S = 0.1
_LET_GO_S = 5.0
"""What launchd may take beyond the job's own exit timeout to forget a label."""


class LaunchdService:
    """`agents` is the user's LaunchAgents folder; `loaded_copy` keeps the definition that was loaded last.

    `job` is asked for only when something is started or written.
    """

    def __init__(
        self, launchctl: Launchctl, agents: Path, loaded_copy: Path, job: Callable[[], Job], starting: Starting
    ) -> None:
        self._launchctl = launchctl
        self._file = agents / f"{LABEL}.plist"
        self._loaded_copy = loaded_copy
        self._job = job
        self._starting = starting

    def describe(self) -> str:
        """Return in a few words how the daemon is started."""
        return "launchd"

    def start(self, timeout_s: float) -> None:
        """Start the job and return when the daemon is ready: loaded first, and defined anew, where need be.

        Raises OmlxError, TimeoutError, Unavailable.
        """
        deadline_s = time.monotonic() + timeout_s
        loaded = self._settle(self._launchctl.find(), self._installed(), deadline_s)
        self._starting.begin()
        for _ in range(_KICKS):
            target = loaded.target if loaded else self._load(deadline_s)
            runs = loaded.runs if loaded else 0
            answer = self._launchctl.kickstart(target, deadline_s - time.monotonic())
            if answer.code in (0, RUNNING_ALREADY):
                self._await(target, runs, deadline_s, is_asked=not answer.code)
                return
            if answer.code not in NOT_LOADED and answer.code not in FAILED:
                break
            time.sleep(_POLL_S)
            loaded = self._launchctl.find()
        raise Unavailable(f"launchctl kickstart: {answer}")

    def stop(self) -> None:
        """Unload the job: its process gets SIGTERM, and the port is free."""
        loaded = self._launchctl.find()
        if loaded and not loaded.is_ending:
            self._launchctl.bootout(loaded.target)

    def home(self) -> Path | None:
        """Return the omlx home that the definition on disk is for; None where there is no definition."""
        installed = self._installed()
        return installed.home if installed else None

    def set_login(self, enabled: bool) -> None:
        """Write the definition that starts the daemon at login, or the one that does not, and load it.

        A daemon that runs already keeps running. Raises OmlxError, Unavailable.
        """
        self._check_ours()
        wanted = plist.render(self._job(), enabled)
        if definition.read(self._file) == wanted:
            return
        loaded = self._launchctl.find()
        if loaded and loaded.pid:
            # Unloading would end the daemon: the definition counts from its next start, or from the next login.
            definition.write(self._file, wanted)
            self._launchctl.enable(loaded.target)
            return
        deadline_s = time.monotonic() + self._job().stop_s + _LET_GO_S
        self._replace(loaded, wanted, deadline_s)
        self._load(deadline_s)

    def remove(self) -> None:
        """Unload the job and delete its definition. Raises OmlxError where it is not ours."""
        self._check_ours()
        self.stop()
        self._file.unlink(missing_ok=True)

    def report(self) -> ServiceReport:
        """Return how the job fares; nothing is changed."""
        loaded, installed = self._launchctl.find(), self._installed()
        problem = ""
        if installed and not installed.can_run:
            problem = f"{installed.program} is not there any more"
        domain = loaded.target.rpartition("/")[0] if loaded else self._launchctl.domain()
        return ServiceReport(
            manager="launchd",
            name=loaded.target if loaded else LABEL,
            state=loaded.state if loaded else "not loaded",
            pid=loaded.pid if loaded else 0,
            last_exit=loaded.exit if loaded else "",
            login=bool(installed and installed.login),
            listens=installed.listens if installed and loaded else "",
            definition=str(self._file) if installed else loaded.path if loaded else "",
            owner="omlx" if not self._is_foreign(loaded, installed) else "another program",
            program=self._program(loaded, installed),
            stale="" if problem else self._stale(loaded, installed),
            disabled=f"launchctl enable {domain}/{LABEL}" if self._launchctl.is_disabled(domain) else "",
            problem=problem,
            fix="omlx restart" if problem else "",
        )

    def _stale(self, loaded: Loaded | None, installed: Installed | None) -> str:
        """Return how the definition differs from what a start would make of it; empty where it does not, or is none."""
        if installed is None or not installed.is_ours:
            return ""
        try:
            wanted = plist.render(self._job(), installed.login)
        except OmlxError:
            return ""
        if definition.read(self._file) != wanted:
            return "is not as this omlx and its settings want it"
        return "" if loaded is None or self._is_current(loaded, wanted) else "was changed since launchd read it"

    def _program(self, loaded: Loaded | None, installed: Installed | None) -> str:
        found = self._in_force(loaded, installed)
        return found.program if found else ""

    def _settle(self, loaded: Loaded | None, installed: Installed | None, deadline_s: float) -> Loaded | None:
        """Return the job if it is loaded with the right definition; unload the wrong one, and write ours."""
        if loaded and loaded.is_ending:
            self._wait_forgotten(deadline_s)
            loaded = None
        if self._is_foreign(loaded, installed):
            return loaded
        wanted = plist.render(self._job(), bool(installed and installed.is_ours and installed.login))
        if definition.read(self._file) == wanted and (loaded is None or self._is_current(loaded, wanted)):
            return loaded
        self._replace(loaded, wanted, deadline_s)
        return None

    def _is_current(self, loaded: Loaded, wanted: bytes) -> bool:
        """Tell whether `wanted` is what launchd goes by: it keeps what it read when loading, whatever lies on disk."""
        return _same(loaded.path, self._file) and definition.read(self._loaded_copy) == wanted

    def _is_foreign(self, loaded: Loaded | None, installed: Installed | None) -> bool:
        """Tell whether somebody else's definition is in force, such as Homebrew's, and can run."""
        found = self._in_force(loaded, installed)
        return found is not None and not found.is_ours and found.can_run

    def _in_force(self, loaded: Loaded | None, installed: Installed | None) -> Installed | None:
        """Return the definition that launchd goes by, or would."""
        if loaded and loaded.path and not _same(loaded.path, self._file):
            data = definition.read(Path(loaded.path))
            return Installed.parse(data) if data else None
        return installed

    def _replace(self, loaded: Loaded | None, wanted: bytes, deadline_s: float) -> None:
        """Write the definition while nothing is loaded, so that what is loaded is always what was written."""
        if loaded:
            self._launchctl.bootout(loaded.target)
            self._wait_forgotten(deadline_s)
        definition.write(self._file, wanted)

    def _load(self, deadline_s: float) -> str:
        """Load the definition and return the job's target; somebody else may be faster. Raises Unavailable."""
        answer = Answer(0, "")
        for attempt in range(_LOADS):
            domain = self._launchctl.domain()
            target = f"{domain}/{LABEL}"
            self._launchctl.enable(target)
            answer = self._launchctl.bootstrap(domain, str(self._file))
            found = self._launchctl.find() if answer.code else None
            if answer.code == 0:
                self._remember()
                return target
            if found and not found.is_ending:
                return found.target
            if found:
                self._wait_forgotten(deadline_s)
            elif answer.code in NO_DOMAIN and self._launchctl.leave_screen():
                continue
            elif answer.code not in FAILED:
                break
            time.sleep(_POLL_S * (attempt + 1))
        raise Unavailable(f"launchctl bootstrap: {answer}")

    def _remember(self) -> None:
        data = definition.read(self._file)
        if data is not None:
            definition.write(self._loaded_copy, data)

    def _await(self, target: str, runs: int, deadline_s: float, *, is_asked: bool) -> None:
        """Wait for the daemon. Where launchd was not asked for a run of its own, ask when the one under way is over."""

        def look() -> Ended | None:
            nonlocal is_asked
            loaded = self._launchctl.find()
            if not is_asked and loaded and not loaded.pid and loaded.runs <= runs:
                is_asked = self._launchctl.kickstart(target, deadline_s - time.monotonic()).code == 0
            return _ended(loaded, runs)

        try:
            self._starting.wait(deadline_s, look)
        except TimeoutError:
            loaded = self._launchctl.find()
            if loaded and loaded.pid:
                self._launchctl.bootout(loaded.target)
            raise

    def _wait_forgotten(self, deadline_s: float) -> None:
        """Return when launchd has forgotten the label. Raises TimeoutError."""
        while self._launchctl.find():
            if time.monotonic() > deadline_s:
                raise TimeoutError
            time.sleep(_POLL_S)

    def _installed(self) -> Installed | None:
        data = definition.read(self._file)
        return Installed.parse(data) if data is not None else None

    def _check_ours(self) -> None:
        if self._is_foreign(self._launchctl.find(), self._installed()):
            raise OmlxError(
                Code.IN_USE,
                "another program looks after the service, most likely Homebrew",
                "brew services stop omlx  hands it back",
            )


def _ended(loaded: Loaded | None, runs: int) -> Ended | None:
    """Return how the job ended since it had run `runs` times; None while it runs or waits for its turn."""
    if loaded is None:
        return Ended(None, "launchd let it go")
    if loaded.pid or loaded.runs <= runs or not loaded.exit:
        return None
    return Ended(loaded.exit_code, loaded.exit if loaded.exit_code is None else f"exit code {loaded.exit}")


def _same(path: str, file: Path) -> bool:
    return Path(path).resolve() == file.resolve()
