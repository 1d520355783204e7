"""The cache's configuration in plain numbers."""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from omlx_cli.contract.settings import CacheSettings
from omlx_cli.contract.units import parse_duration_s, parse_size_bytes
from omlx_daemon.ledger.policy import UNLIMITED, Policy, WritePolicy

AUTO = "auto"
AUTO_SHARE = "10%"


@dataclass(frozen=True, slots=True)
class CachePlan:
    """What the cache may take, and where."""

    root: Path
    """The cache directory."""
    base: Path | None = None
    """What it lies in that is never made for it; None where all of it may be."""
    enabled: bool = True
    hot_bytes: int = 0
    """Memory of all models together."""
    policy: Policy = field(default_factory=Policy)
    fsync: bool = False

    @property
    def has_cold(self) -> bool:
        """Whether anything is kept on disk."""
        return self.enabled and self.policy.quota_bytes > 0

    @property
    def second_hit(self) -> bool:
        """Whether a block is written only when it is met again."""
        return self.policy.write_policy is WritePolicy.SECOND_HIT


def plan(
    settings: CacheSettings, home_cache: Path, memory_bytes: int, volume_bytes: Callable[[Path], int] | None = None
) -> CachePlan:
    """Return the plan of `settings`, whose units are checked already; `home_cache` is the default directory."""
    # A relative path is the home's, wherever the daemon was started from.
    home = home_cache.parent
    root = home / Path(settings.dir).expanduser() if settings.dir else home_cache
    disk_bytes = (volume_bytes or volume)(root)
    return CachePlan(
        root=root,
        base=home if home in root.parents else None,
        enabled=settings.enabled,
        hot_bytes=_size(settings.hot_max_size, memory_bytes),
        policy=Policy(
            quota_bytes=_size(settings.cold_max_size, disk_bytes),
            min_free_bytes=parse_size_bytes(settings.min_free, disk_bytes),
            max_age_s=parse_duration_s(settings.max_age),
            per_model_share=_share(settings.max_model_share, _size(settings.cold_max_size, disk_bytes)),
            write_budget_bytes_per_day=_budget(settings.write_budget, disk_bytes),
            write_policy=WritePolicy(settings.write_policy),
        ),
        fsync=settings.fsync,
    )


def volume(root: Path) -> int:
    """Return the size of the file system that `root` lies on, or would lie on; 0 where that cannot be told."""
    for path in (root, *root.parents):
        try:
            found = os.statvfs(path)
        except OSError:
            continue
        return found.f_blocks * found.f_frsize
    return 0


def _size(text: str, base_bytes: int) -> int:
    return parse_size_bytes(AUTO_SHARE if text == AUTO else text, base_bytes)


def _share(text: str, quota_bytes: int) -> float:
    return min(1.0, parse_size_bytes(text, quota_bytes) / quota_bytes) if quota_bytes else 1.0


def _budget(text: str, disk_bytes: int) -> int:
    return UNLIMITED if text == "unlimited" else parse_size_bytes(text, disk_bytes)
