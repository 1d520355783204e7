"""The models on disk, in the dialect of whoever asks: Anthropic's for clients that name its version, else OpenAI's."""

from __future__ import annotations

from typing import Any

from litestar import Request, Router, get
from litestar.di import NamedDependency
from litestar.params import FromPath, FromQuery

from omlx_cli.contract import routes
from omlx_daemon.api.anthropic import errors as anthropic
from omlx_daemon.api.anthropic.models import DEFAULT_LIMIT, model_info, model_page
from omlx_daemon.api.anthropic.replies import ModelInfoReply, ModelPage
from omlx_daemon.api.errors import OPENAI_ERRORS
from omlx_daemon.api.openai.models import model_list, model_reply
from omlx_daemon.api.openai.replies import ModelList, ModelReply
from omlx_daemon.core.ports import Models


@get(routes.OPENAI_MODELS, responses=OPENAI_ERRORS)
async def list_models(
    request: Request[Any, Any, Any],
    models: NamedDependency[Models],
    limit: FromQuery[int] = DEFAULT_LIMIT,
    after_id: FromQuery[str] = "",
    before_id: FromQuery[str] = "",
) -> ModelList | ModelPage:
    """List the models that can be loaded; to clients of Anthropic's API `limit` at a time."""
    found = await models.list()
    if anthropic.speaks(request.scope):
        return model_page(found, limit=limit, after_id=after_id, before_id=before_id)
    return model_list(found)


@get(f"{routes.OPENAI_MODELS}/{{model_id:path}}", responses=OPENAI_ERRORS)
async def get_model(
    request: Request[Any, Any, Any], model_id: FromPath[str], models: NamedDependency[Models]
) -> ModelReply | ModelInfoReply:
    """Describe one model; its name may contain slashes."""
    detail = await models.show(model_id.removeprefix("/"))
    return model_info(detail.model) if anthropic.speaks(request.scope) else model_reply(detail.model)


def router() -> Router:
    """Return the routes; `models` is injected."""
    return Router("/", route_handlers=[list_models, get_model], tags=["models"])
