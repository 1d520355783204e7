"""What the ledger is told to keep to, in plain numbers, and the words for what it did."""

from __future__ import annotations

import math
import sys
from dataclasses import dataclass
from enum import StrEnum

UNLIMITED = sys.maxsize


class WritePolicy(StrEnum):
    """Which blocks are worth a write."""

    ALL = "all"
    SECOND_HIT = "second-hit"
    """A block is written when it is met for the second time."""


class Reason(StrEnum):
    """Why a file was removed."""

    QUOTA = "quota"
    FLOOR = "floor"
    """The file system ran low."""
    SHARE = "share"
    """Its model had more than its share."""
    AGE = "age"
    PRUNE = "prune"
    CLEAR = "clear"
    DISCARD = "discard"
    """Its writer wants it no more."""
    GONE = "gone"
    """Not the ledger removed it, but somebody else; it is told, and counted nowhere."""


class Refusal(StrEnum):
    """Why a reservation was refused."""

    QUOTA = "quota"
    FLOOR = "floor"
    SHARE = "share"
    BUDGET = "budget"
    DEGRADED = "degraded"
    INVALID = "invalid"
    """No namespace of this name, or nothing asked for."""


@dataclass(frozen=True, slots=True)
class Policy:
    """The limits of the cold tier; the defaults are none."""

    quota_bytes: int = UNLIMITED
    """Bytes on disk of the whole directory; 0 stores nothing."""
    min_free_bytes: int = 0
    """The file system keeps at least this much free."""
    max_age_s: float = math.inf
    """Blocks that were not used for so long go."""
    per_model_share: float = 1.0
    """Share of the quota that one model may take, 0 to 1."""
    write_budget_bytes_per_day: int = UNLIMITED
    write_policy: WritePolicy = WritePolicy.ALL


@dataclass(frozen=True, slots=True)
class Removed:
    """One file that the ledger removed, or missed."""

    namespace: str
    filename: str
    size_bytes: int
    reason: Reason
    model: str = ""
