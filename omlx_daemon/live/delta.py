"""What differs between two moments, and what two differences are together. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from operator import attrgetter
from typing import Any

import msgspec

from omlx_cli.contract.api import DaemonInfo, RequestInfo
from omlx_cli.contract.live import Change, Snapshot

_PARTS = (
    "memory", "models", "cache", "running", "queued", "requests_total", "prefill_tokens_per_s", "decode_tokens_per_s",
)  # fmt: skip
_NAMED = ("daemon", *_PARTS)


@dataclass(frozen=True, slots=True)
class Delta:
    """A change, and which of its rows are new: one that is born and dies unseen is nobody's business."""

    change: Change
    born: frozenset[str]
    after: Snapshot
    """What there is when it has happened."""

    @property
    def is_empty(self) -> bool:
        """Whether nothing has changed but the time."""
        change = self.change
        return not (change.requests or change.ended) and all(getattr(change, name) is None for name in _NAMED)


def difference(before: Snapshot, after: Snapshot) -> Delta:
    """Return what is new in `after`. What time alone moves, an age or the uptime, is not new."""
    parts: dict[str, Any] = {name: value for name in _PARTS if (value := getattr(after, name)) != getattr(before, name)}
    if _described(before.daemon) != _described(after.daemon):
        parts["daemon"] = after.daemon
    known = {row.id: row for row in before.requests}
    rows = tuple(row for row in after.requests if _differs(row, known.get(row.id)))
    now = {row.id for row in after.requests}
    change = Change(
        number=after.number, at=after.at, requests=rows, ended=tuple(one for one in known if one not in now), **parts
    )
    return Delta(change, frozenset(row.id for row in rows if row.id not in known), after)


def merged(one: Delta, other: Delta) -> Delta:
    """Return what changed when `one` happened, then `other`. Its rows are as old as they are after both."""
    after, first, second = other.after, one.change, other.change
    changed = {row.id for change in (first, second) for row in change.requests}
    named = [name for name in _NAMED if getattr(first, name) is not None or getattr(second, name) is not None]
    change = Change(
        number=second.number,
        at=second.at,
        requests=tuple(row for row in after.requests if row.id in changed),
        ended=(*first.ended, *(id_ for id_ in second.ended if id_ not in one.born)),
        **{name: getattr(after, name) for name in named},
    )
    return Delta(change, (one.born - set(second.ended)) | other.born, after)


def _described(daemon: DaemonInfo) -> DaemonInfo:
    return msgspec.structs.replace(daemon, uptime_s=0.0)


def _differs(row: RequestInfo, before: RequestInfo | None) -> bool:
    if before is None or (row.left_s is None) != (before.left_s is None):
        return True
    return bool(_substance(row) != _substance(before))


_TIMES = ("age_s", "left_s")
_substance = attrgetter(*(name for name in RequestInfo.__struct_fields__ if name not in _TIMES))
"""All of a row but its times, which the reader moves on by itself."""
