"""Builds the HTTP application over the ports it is given."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from litestar import Litestar
from litestar.di import Provide

from omlx_cli.contract.settings import Settings
from omlx_cli.contract.units import parse_duration_s, parse_size_bytes
from omlx_daemon.api import cache as cache_routes
from omlx_daemon.api import control, errors, events, health, metrics, openapi, unbuilt
from omlx_daemon.api import models as model_routes
from omlx_daemon.api import requests as request_routes
from omlx_daemon.api import rules as rule_routes
from omlx_daemon.api.anthropic import routes as anthropic_routes
from omlx_daemon.api.caller import caller_of
from omlx_daemon.api.guard import Guard, json_only
from omlx_daemon.api.keyring import HandedOut
from omlx_daemon.api.openai import routes as openai_routes
from omlx_daemon.api.responses import routes as response_routes
from omlx_daemon.api.responses.store import ResponseStore
from omlx_daemon.api.trace import Trace
from omlx_daemon.core.ports import CacheAdmin, Daemon, Inference, Models, Names, Requests, Rules, Slots, Watching


def create_app(
    inference: Inference,
    models: Models,
    slots: Slots,
    daemon: Daemon,
    current: Callable[[], Settings],
    *,
    rules: Rules,
    cache: CacheAdmin,
    requests: Requests,
    watching: Watching,
    names: Names,
    handed_out: HandedOut | None = None,
) -> Litestar:
    """Return the application: access is decided and every response named before a route is looked up.

    `current` gives the settings in use; the longest body is that of the first ones. `handed_out` are the keys
    beside those of the settings.
    """
    app = Litestar(
        route_handlers=[
            model_routes.router(),
            openai_routes.router(),
            anthropic_routes.router(),
            response_routes.router(),
            unbuilt.router(),
            control.router(),
            events.router(),
            request_routes.router(),
            cache_routes.router(),
            metrics.router(),
            rule_routes.router(),
            health.router(),
        ],
        dependencies={
            "inference": _always(inference),
            "models": _always(models),
            "slots": _always(slots),
            "daemon": _always(daemon),
            "cache": _always(cache),
            "requests": _always(requests),
            "watching": _always(watching),
            "names": _always(names),
            "rules": _always(rules),
            "kept": _always(ResponseStore()),
            "caller": Provide(caller_of, sync_to_thread=False),
            "keep_alive_s": Provide(lambda: parse_duration_s(current().server.keep_alive), sync_to_thread=False),
        },
        guards=[json_only],
        exception_handlers=errors.HANDLERS,
        request_max_body_size=parse_size_bytes(current().server.max_body),
        openapi_config=openapi.config(),
        logging_config=None,
    )
    app.asgi_handler = Trace(Guard(app.asgi_handler, lambda: current().server, handed_out))
    return app


def _always(value: Any) -> Provide:
    return Provide(lambda: value, sync_to_thread=False)
