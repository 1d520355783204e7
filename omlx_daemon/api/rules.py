"""The rules by which prompts are made stable."""

from __future__ import annotations

from litestar import Router, get
from litestar.di import NamedDependency

from omlx_cli.contract import routes
from omlx_cli.contract.prompt_rules import RulesReply
from omlx_daemon.api.errors import CONTROL_ERRORS
from omlx_daemon.core.ports import Rules


@get(routes.RULES, responses=CONTROL_ERRORS)
async def list_rules(rules: NamedDependency[Rules]) -> RulesReply:
    """List the rules for prompts, whether each is on, and how many prompts it has changed."""
    return rules.rules()


def router() -> Router:
    """Return the route; `rules` is injected."""
    return Router("/", route_handlers=[list_rules], tags=["daemon"])
