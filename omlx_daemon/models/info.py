"""A model as the contract shows it."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import UTC, datetime

from omlx_cli.contract.api import Capabilities, ModelInfo, SlotInfo
from omlx_daemon.core.models import ModelSpec

NO_CAPABILITIES = Capabilities()


def of(spec: ModelSpec, slots: Iterable[SlotInfo] = (), capabilities: Capabilities = NO_CAPABILITIES) -> ModelInfo:
    """Return the row of `spec`, told whether it is loaded and pinned by the rows of the pool."""
    row = next((slot for slot in slots if slot.name == spec.name), None)
    return ModelInfo(
        name=spec.name,
        source=spec.source,
        path=spec.path,
        size_bytes=spec.weights_bytes,
        architecture=spec.architecture,
        quantization=spec.quantization,
        context_tokens=spec.context_tokens,
        modified_at=_rfc3339(spec.modified_at_s),
        loaded=row is not None,
        pinned=row is not None and row.pinned,
        aliases=spec.aliases,
        problem=spec.problem,
        capabilities=capabilities,
    )


def now() -> str:
    """Return the present as RFC 3339 in UTC."""
    return _rfc3339(datetime.now(UTC).timestamp())


def _rfc3339(seconds: float) -> str:
    if not seconds:
        return ""
    return datetime.fromtimestamp(seconds, UTC).isoformat(timespec="seconds").replace("+00:00", "Z")
