"""Models as the OpenAI routes list them."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime

from omlx_cli.contract.api import ModelInfo
from omlx_daemon.api.openai.replies import ModelList, ModelReply


def model_list(models: Iterable[ModelInfo]) -> ModelList:
    """Return the models that can be loaded."""
    return ModelList(data=[model_reply(model) for model in models if not model.problem])


def model_reply(model: ModelInfo) -> ModelReply:
    """Return one model."""
    return ModelReply(id=model.name, created=_epoch_s(model.modified_at), owned_by=model.source)


def _epoch_s(moment: str) -> int:
    return int(datetime.fromisoformat(moment).timestamp()) if moment else 0
