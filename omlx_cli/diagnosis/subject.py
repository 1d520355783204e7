"""The installation that is looked at; the daemon is asked once, and never started."""

from __future__ import annotations

import os
from collections.abc import Mapping
from functools import cached_property
from typing import TYPE_CHECKING, TypeVar

from omlx_cli.contract import routes
from omlx_cli.contract.api import Health, Status
from omlx_cli.contract.errors import OmlxError
from omlx_cli.contract.settings import Settings

if TYPE_CHECKING:
    from omlx_cli.client import Client
    from omlx_cli.contract.paths import Paths
    from omlx_cli.env import Env
    from omlx_cli.service.choice import Choice
    from omlx_cli.service.report import ServiceReport

T = TypeVar("T")
ANSWER_S = 5.0
"""How long the daemon may take: it answers from memory."""
SERVICE_S = 60.0
"""How long a service manager may take that answers nothing."""


class Subject:
    """`environ` is the environment of the user's shell."""

    def __init__(self, env: Env, environ: Mapping[str, str] = os.environ) -> None:
        self.env = env
        self.environ = environ

    @property
    def paths(self) -> Paths:
        """Every path under the home."""
        return self.env.paths

    @property
    def client(self) -> Client:
        """The daemon, whether it runs or not."""
        return self.env.client

    @property
    def services(self) -> Choice:
        """What starts the daemon."""
        return self.env.services

    @cached_property
    def settings(self) -> Settings:
        """The settings; the defaults where `config.toml` is broken, which is another check's finding."""
        try:
            return self.env.settings
        except OmlxError:
            return Settings()

    @property
    def health(self) -> Health | None:
        """Who answers; None where nobody does."""
        return self._answer[0]

    @property
    def silence(self) -> OmlxError | None:
        """Why a daemon that is there does not answer; None where it does, or there is none."""
        return self._answer[1]

    @cached_property
    def _answer(self) -> tuple[Health | None, OmlxError | None]:
        try:
            return self.client.health(ANSWER_S), None
        except OmlxError as error:
            return None, error

    @cached_property
    def status(self) -> Status | None:
        """What the daemon tells of itself; None where none answers."""
        return self.ask(routes.STATUS, Status)

    def ask(self, route: str, kind: type[T]) -> T | None:
        """Return what the daemon answers to a route; None where none answers."""
        if self.health is None:
            return None
        try:
            return self.client.get(route, kind, ANSWER_S)
        except OmlxError:
            return None

    @cached_property
    def service(self) -> ServiceReport:
        """How the service that starts the daemon fares."""
        from omlx_cli.service import access

        return access.report(self.services)
