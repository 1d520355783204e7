"""Models as Anthropic's clients list them."""

from __future__ import annotations

from collections.abc import Sequence

from omlx_cli.contract.api import ModelInfo
from omlx_daemon.api.anthropic.replies import ModelInfoReply, ModelPage
from omlx_daemon.api.extras import invalid

DEFAULT_LIMIT = 20
MAX_LIMIT = 1000
_UNKNOWN_TIME = "1970-01-01T00:00:00Z"


def model_page(models: Sequence[ModelInfo], *, limit: int, after_id: str, before_id: str) -> ModelPage:
    """Return the models that can be loaded, each under its name and its aliases: `limit` of them beside a cursor.

    Raises OmlxError(INVALID_REQUEST) for a limit out of range, two cursors, or one that is no model's name.
    """
    if not 1 <= limit <= MAX_LIMIT:
        raise invalid("limit", f"this must be from 1 to {MAX_LIMIT}")
    if after_id and before_id:
        raise invalid("before_id", "give either after_id or before_id")
    usable = [model for model in models if not model.problem]
    rows = [model_info(model, name) for model in usable for name in (model.name, *model.aliases)]
    ids = [row.id for row in rows]
    if before_id:
        rows = rows[: _index(ids, "before_id", before_id)]
        page, has_more = rows[-limit:], len(rows) > limit
    else:
        rows = rows[_index(ids, "after_id", after_id) + 1 :] if after_id else rows
        page, has_more = rows[:limit], len(rows) > limit
    return ModelPage(
        data=page,
        has_more=has_more,
        first_id=page[0].id if page else None,
        last_id=page[-1].id if page else None,
    )


def model_info(model: ModelInfo, name: str = "") -> ModelInfoReply:
    """Return one model, under an alias where `name` is one."""
    context = model.context_tokens or None
    return ModelInfoReply(
        id=name or model.name,
        display_name=name or model.name,
        created_at=model.modified_at or _UNKNOWN_TIME,
        max_input_tokens=context,
        max_tokens=context,
    )


def _index(ids: Sequence[str], param: str, wanted: str) -> int:
    if wanted not in ids:
        raise invalid(param, f"no model is called {wanted[:200]!r}")
    return ids.index(wanted)
