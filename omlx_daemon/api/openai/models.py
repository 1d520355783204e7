"""Models as the OpenAI routes list them."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime

from msgspec import UNSET

from omlx_cli.contract.api import ModelInfo
from omlx_daemon.api.openai.replies import ModelList, ModelReply


def model_list(models: Iterable[ModelInfo]) -> ModelList:
    """Return the models that can be loaded, each under its name and its aliases."""
    usable = [model for model in models if not model.problem]
    return ModelList(data=[model_reply(model, name) for model in usable for name in (model.name, *model.aliases)])


def model_reply(model: ModelInfo, name: str = "") -> ModelReply:
    """Return one model, under an alias where `name` is one."""
    return ModelReply(
        id=name or model.name,
        created=_epoch_s(model.modified_at),
        owned_by=model.source,
        context_length=model.context_tokens or UNSET,
        max_model_len=model.context_tokens or UNSET,
        capabilities=model.capabilities,
        root=model.name if name not in ("", model.name) else UNSET,
    )


def _epoch_s(moment: str) -> int:
    return int(datetime.fromisoformat(moment).timestamp()) if moment else 0
