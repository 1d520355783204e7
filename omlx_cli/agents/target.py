"""The daemon as an agent sees it: over TCP, as one model, with a key where one is needed."""

from __future__ import annotations

import os

from omlx_cli.agents.agent import Target
from omlx_cli.contract import keys, routes
from omlx_cli.contract.api import ModelBody, ModelDetail, ModelInfo, Status
from omlx_cli.contract.errors import Code, OmlxError
from omlx_cli.contract.settings import Settings
from omlx_cli.env import Env
from omlx_cli.naming import model_argument

KEY_VARIABLE = "OMLX_API_KEY"
_EVERY_ADDRESS = {"0.0.0.0": "127.0.0.1", "[::]": "[::1]"}  # noqa: S104 - compared with, never bound


def find(env: Env, model: str) -> Target:
    """Return where the running daemon serves `model`, by default `model.default`. Raises OmlxError."""
    daemon = env.daemon()
    info = daemon.get(routes.STATUS, Status).daemon
    if not info.address:
        reason = info.tcp_error or "the daemon listens on no TCP address"
        raise OmlxError(Code.PORT_IN_USE, reason, "agents speak over TCP: omlx config set server.port 8001")
    wanted = model_argument(model or env.settings.model.default)
    found = daemon.post(routes.SHOW, ModelBody(model=wanted), ModelDetail).model
    key = _key(env)
    host, _, port = info.address.rpartition(":")
    url = f"http://{_EVERY_ADDRESS.get(host, host)}:{port}"
    return Target(
        base_url=url,
        model=found.name,
        key=key,
        context_tokens=found.context_tokens,
        says_window=not _is_window_set(env.settings, found),
    )


def _is_window_set(settings: Settings, model: ModelInfo) -> bool:
    """Return whether the settings say which context clients believe in, were it the true one."""
    names = {name.lower() for name in (model.name, *model.aliases)}
    own = (options.client_window for name, options in settings.models.items() if name.lower() in names)
    return settings.anthropic.client_window > 0 or any(window is not None for window in own)


def _key(env: Env) -> str:
    """Return the key to send, empty where none is needed. Raises OmlxError(UNAUTHORIZED) where nobody knows one."""
    server = env.settings.server
    own = os.environ.get(KEY_VARIABLE, "")
    known = own or next((one.key for one in server.keys), "") or server.api_key
    if known or not keys.exist(env.paths.keys):
        return known
    hint = f"export {KEY_VARIABLE}=$(omlx key create -q agent)"
    raise OmlxError(
        Code.UNAUTHORIZED, "requests over TCP need an API key, and omlx keeps none that it could pass", hint
    )
