"""Which way of starting the daemon fits this machine and this home."""

from __future__ import annotations

import os
import pwd
import shutil
from collections.abc import Callable, Mapping
from pathlib import Path

from omlx_cli.contract.errors import OmlxError
from omlx_cli.contract.paths import Paths
from omlx_cli.contract.services import LABEL
from omlx_cli.contract.settings import Settings
from omlx_cli.service import Managed, Service
from omlx_cli.service.fallback import FallbackService
from omlx_cli.service.job import Job
from omlx_cli.service.process import ProcessService
from omlx_cli.service.starting import Starting

_LINGER = Path("/var/lib/systemd/linger")


class Choice:
    """The services of one home. `settings` may raise OmlxError, and is asked only when something is started."""

    def __init__(
        self,
        paths: Paths,
        settings: Callable[[], Settings],
        is_ready: Callable[[], bool],
        warn: Callable[[str], None],
        environ: Mapping[str, str] = os.environ,
    ) -> None:
        self._paths = paths
        self._settings = settings
        self._starting = Starting(is_ready, paths.boot_log)
        self._warn = warn
        self._environ = environ

    def service(self) -> Service:
        """Return the way in which this home's daemon is started."""
        plain = ProcessService(self._paths)
        managed = self.manager() if self.wants_manager() else None
        if managed is None or not self.is_served_by(managed):
            return plain
        return FallbackService(managed, plain, self._warn)

    def wants_manager(self) -> bool:
        """Tell what the settings want; broken ones must not keep a daemon from being stopped."""
        try:
            return self._settings().daemon.service != "process"
        except OmlxError:
            return True

    def manager(self) -> Managed | None:
        """Return the system's service manager; None where none answers, or the user is only borrowed."""
        if not _is_own(Path.home()):
            return None
        if shutil.which("launchctl", path=self._environ.get("PATH")):
            return self._launchd()
        return self._systemd()

    def is_served_by(self, managed: Managed) -> bool:
        """Tell whether the service is this home's: there is one a user, for the home that its definition names."""
        home = managed.home()
        return self.is_usual if home is None else self._paths.home == home

    @property
    def is_usual(self) -> bool:
        """Whether this is the home of a user who asked for no other."""
        return self._paths.home == Path("~/.omlx").expanduser()

    def _launchd(self) -> Managed:
        from omlx_cli.service.launchctl import Launchctl
        from omlx_cli.service.launchd import LaunchdService

        agents = Path("~/Library/LaunchAgents").expanduser()
        loaded_copy = self._paths.run / "launchd.plist"
        return LaunchdService(Launchctl(LABEL), agents, loaded_copy, self._job, self._starting)

    def _systemd(self) -> Managed | None:
        from omlx_cli.service.systemctl import Systemctl
        from omlx_cli.service.systemd import SystemdService

        systemctl = Systemctl(self._environ)
        if not shutil.which("systemctl", path=self._environ.get("PATH")) or not systemctl.answers():
            return None
        base = Path(self._environ.get("XDG_CONFIG_HOME") or Path("~/.config").expanduser())
        return SystemdService(systemctl, base / "systemd" / "user", self._job, self._starting, _lingers)

    def _job(self) -> Job:
        return Job.of(self._paths, self._settings(), self._environ)


def _is_own(folder: Path) -> bool:
    try:
        return folder.stat().st_uid == os.getuid()
    except OSError:
        return False


def _lingers() -> bool:
    return (_LINGER / pwd.getpwuid(os.getuid()).pw_name).exists()
