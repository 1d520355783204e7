"""What one run of `omlx` works with."""

from __future__ import annotations

from functools import cached_property
from typing import TYPE_CHECKING

from omlx_cli import __version__
from omlx_cli.contract import sockets
from omlx_cli.output import Output

if TYPE_CHECKING:
    from omlx_cli.client import Client
    from omlx_cli.contract.paths import Paths
    from omlx_cli.contract.settings import Settings
    from omlx_cli.lifecycle import Lifecycle
    from omlx_cli.service.choice import Choice

_SILENCE_S = 2.0


class Env:
    """The home, the output and the daemon of one run; each part is imported when it is asked for."""

    def __init__(self) -> None:
        self.home = sockets.home()
        self.output = Output()

    @cached_property
    def paths(self) -> Paths:
        """Every path under the home."""
        from pathlib import Path

        from omlx_cli.contract.paths import Paths

        return Paths(Path(self.home))

    @cached_property
    def settings(self) -> Settings:
        """The user's settings. Raises OmlxError(INVALID_CONFIG)."""
        from omlx_cli.contract import settings

        return settings.load(self.paths.config)

    def check_settings(self) -> None:
        """Raise OmlxError(INVALID_CONFIG) where the settings are broken, before anything is stopped for them."""
        assert self.settings

    @cached_property
    def client(self) -> Client:
        """The daemon, whether it runs or not."""
        from omlx_cli.client import Client

        return Client(sockets.socket_path(self.home))

    @cached_property
    def lifecycle(self) -> Lifecycle:
        """The daemon's start and stop."""
        from omlx_cli.lifecycle import Lifecycle

        return Lifecycle(self.paths, self.client, self.services.service(), self._start_timeout_s, self.output.warn)

    @cached_property
    def services(self) -> Choice:
        """The ways in which this home's daemon may be started."""
        from omlx_cli.service.choice import Choice

        return Choice(self.paths, lambda: self.settings, self._is_ready, self.output.warn)

    def daemon(self) -> Client:
        """Return the daemon, running: started if it was not. Raises OmlxError."""
        from omlx_cli.contract.api import DaemonState

        health = self.client.health()
        usable = health and health.version == __version__ and health.state in (DaemonState.READY, DaemonState.STUCK)
        if not usable:
            self.lifecycle.ensure()
        return self.client

    def _is_ready(self) -> bool:
        from omlx_cli.contract.errors import OmlxError

        try:
            health = self.client.health(_SILENCE_S)
        except OmlxError:
            return False
        return health is not None and health.state in ("ready", "stuck")

    def _start_timeout_s(self) -> float:
        from omlx_cli.contract.units import parse_duration_s

        return parse_duration_s(self.settings.daemon.start_timeout)
