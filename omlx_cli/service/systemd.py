"""The daemon as a unit of the user's systemd, started by a command or by the first connection to its socket."""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from pathlib import Path

from omlx_cli.contract.errors import Code, OmlxError
from omlx_cli.service import Unavailable, definition, units
from omlx_cli.service.job import Job
from omlx_cli.service.report import ServiceReport
from omlx_cli.service.starting import Ended, Starting
from omlx_cli.service.systemctl import Systemctl
from omlx_cli.service.units import LISTENER, SERVICE, InstalledUnit

_SIGNALLED = ("2", "3")
"""`ExecMainCode` of a process that a signal ended."""
_WAITS = "auto-restart"
_UNMASK = f"systemctl --user unmask {SERVICE}"
LINGER_HINT = "loginctl enable-linger  keeps it running when you log out"


class SystemdService:
    """`folder` holds the user's units; `lingers` tells whether they outlive the user's last session.

    `job` is asked for only when something is started or written.
    """

    def __init__(
        self,
        systemctl: Systemctl,
        folder: Path,
        job: Callable[[], Job],
        starting: Starting,
        lingers: Callable[[], bool],
    ) -> None:
        self._systemctl = systemctl
        self._service = folder / SERVICE
        self._listener = folder / LISTENER
        self._job = job
        self._starting = starting
        self._lingers = lingers

    def describe(self) -> str:
        """Return in a few words how the daemon is started."""
        return "systemd"

    def start(self, timeout_s: float) -> None:
        """Start the unit and return when the daemon is ready; its definition is renewed first where need be.

        Raises OmlxError, TimeoutError, Unavailable.
        """
        deadline_s = time.monotonic() + timeout_s
        self._install()
        self._starting.begin()
        # What failed before, or too often, does not count against a start that was asked for.
        self._systemctl.run("reset-failed", SERVICE, LISTENER)
        if self._listener.exists():
            # A busy port must not keep the daemon down: it says so itself, and serves the commands meanwhile.
            self._systemctl.run("start", LISTENER)
        answer = self._systemctl.run("start", SERVICE, timeout_s=deadline_s - time.monotonic())
        if answer.code:
            ended = self._ended()
            if ended is None:
                raise Unavailable(f"systemctl start: {answer}")
            raise self._starting.failure(ended)
        self._starting.wait(deadline_s, self._ended)

    def stop(self) -> None:
        """Stop both units: the daemon gets SIGTERM, and the port is free."""
        self._systemctl.run("stop", "--no-block", LISTENER, SERVICE)

    def home(self) -> Path | None:
        """Return the omlx home that the definition on disk is for; None where there is no definition."""
        installed = self._installed()
        return installed.home if installed else None

    def set_login(self, enabled: bool) -> None:
        """Have the daemon started at login from now on, or on demand alone. Raises OmlxError, Unavailable."""
        self._check_ours()
        self._install()
        answer = self._systemctl.run("enable" if enabled else "disable", SERVICE)
        if answer.code:
            raise Unavailable(f"systemctl: {answer}")

    def remove(self) -> None:
        """Stop the units and delete them; a mask stays. Raises OmlxError where they are not ours."""
        self._check_ours()
        self.stop()
        if self._is_masked:
            return
        self._systemctl.run("disable", SERVICE, LISTENER)
        for file in (self._service, self._listener):
            file.unlink(missing_ok=True)
        self._systemctl.run("daemon-reload")

    def report(self) -> ServiceReport:
        """Return how the unit fares; nothing is changed."""
        shown = self._systemctl.show(SERVICE)
        installed, listener = self._installed(), definition.read(self._listener)
        listening = self._systemctl.show(LISTENER)["ActiveState"] == "active"
        problem, fix = self._problem(installed)
        ended = self._ended(shown)
        return ServiceReport(
            manager="systemd",
            name=SERVICE,
            state=shown["ActiveState"] if shown["LoadState"] == "loaded" else "not loaded",
            pid=int(shown["MainPID"] or 0),
            login=shown["UnitFileState"] == "enabled",
            listens=units.address(listener) if listener and listening else "",
            last_exit=ended.how if ended else "",
            definition=str(self._service) if installed else "",
            owner="omlx" if installed is None or installed.is_ours else "another program",
            program=installed.program if installed else "",
            stale=self._stale(shown, installed),
            disabled=_UNMASK if shown["LoadState"] == "masked" else "",
            problem=problem,
            fix=fix,
        )

    def _stale(self, shown: dict[str, str], installed: InstalledUnit | None) -> str:
        """Return how the units differ from what a start would make of them; empty where they do not, or are none."""
        if installed is None or not installed.is_ours or not os.access(installed.program, os.X_OK):
            return ""
        try:
            job = self._job()
        except OmlxError:
            return ""
        wanted = ((self._service, units.service(job)), (self._listener, units.listener(job)))
        if any((definition.read(file) or b"") != text.encode() for file, text in wanted):
            return "is not as this omlx and its settings want it"
        return "was changed since systemd read it" if shown["NeedDaemonReload"] == "yes" else ""

    def _problem(self, installed: InstalledUnit | None) -> tuple[str, str]:
        if installed and installed.is_ours and not os.access(installed.program, os.X_OK):
            return f"{installed.program} is not there any more", "omlx restart"
        if installed and not self._lingers():
            return "it ends when you log out", LINGER_HINT
        return "", ""

    def _install(self) -> None:
        """Write the units where they are not as they should be, and have systemd read them.

        Raises OmlxError, and Unavailable where somebody masked them.
        """
        if self._is_masked:
            raise Unavailable(f"{SERVICE} is masked, which {_UNMASK} ends")
        installed = self._installed()
        if installed and not installed.is_ours:
            return
        job = self._job()
        wanted = {self._service: units.service(job).encode(), self._listener: units.listener(job).encode()}
        changed = {file: data for file, data in wanted.items() if (definition.read(file) or b"") != data}
        if self._listener in changed:
            # A socket that listens keeps its old address for ever.
            self._systemctl.run("stop", LISTENER)
        for file, data in changed.items():
            if data:
                definition.write(file, data)
            else:
                self._systemctl.run("disable", file.name)
                file.unlink(missing_ok=True)
        if changed or self._systemctl.show(SERVICE)["NeedDaemonReload"] == "yes":
            self._reload()
        if wanted[self._listener] and self._listener in changed:
            self._systemctl.run("enable", LISTENER)

    def _reload(self) -> None:
        answer = self._systemctl.run("daemon-reload")
        if answer.code:
            raise Unavailable(f"systemctl daemon-reload: {answer}")

    def _ended(self, shown: dict[str, str] | None = None) -> Ended | None:
        """Return how the daemon ended last; None where it runs, or has not run."""
        shown = shown or self._systemctl.show(SERVICE)
        # While it waits for its next start it is called activating, and yet it has ended.
        runs = shown["ActiveState"] in ("active", "activating", "deactivating") and shown["SubState"] != _WAITS
        if runs or shown["ExecMainCode"] in ("", "0"):
            return None
        status = shown["ExecMainStatus"]
        if shown["ExecMainCode"] in _SIGNALLED:
            return Ended(None, f"signal {status}")
        return Ended(int(status), f"exit code {status}")

    @property
    def _is_masked(self) -> bool:
        """Whether somebody ordered systemd never to start the unit: such an order stands where the unit would."""
        return self._service.is_symlink() and self._service.resolve() == Path(os.devnull)

    def _installed(self) -> InstalledUnit | None:
        data = None if self._is_masked else definition.read(self._service)
        return InstalledUnit.parse(data) if data is not None else None

    def _check_ours(self) -> None:
        installed = self._installed()
        if installed and not installed.is_ours:
            raise OmlxError(
                Code.IN_USE, f"another program wrote {self._service}", "it looks after the service; move the file away"
            )
