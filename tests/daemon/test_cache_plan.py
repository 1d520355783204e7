"""The cache's settings in plain numbers."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import pytest

from omlx_cli.contract.settings import CacheSettings
from omlx_daemon.cache.plan import CachePlan, plan

GB = 10**9


def of(**settings: Any) -> CachePlan:
    options = CacheSettings(**settings)
    return plan(options, Path("/home/omlx/cache"), 100 * GB, volume_bytes=lambda _: 1000 * GB)


def test_the_defaults_are_a_tenth_of_memory_and_volume() -> None:
    found = of()
    assert (found.root, found.hot_bytes) == (Path("/home/omlx/cache"), 10 * GB)
    assert (found.policy.quota_bytes, found.policy.min_free_bytes) == (100 * GB, 50 * GB)
    assert math.isinf(found.policy.max_age_s)


@pytest.mark.parametrize(("given", "root"), [("kv", "/home/omlx/kv"), ("/fast/kv", "/fast/kv")])
def test_a_relative_directory_is_in_the_home(given: str, root: str) -> None:
    assert of(dir=given).root == Path(root)


def test_nothing_is_nothing() -> None:
    found = of(cold_max_size="0", hot_max_size="0")
    assert not found.has_cold
    assert found.hot_bytes == 0
    assert not of(enabled=False).has_cold


def test_shares_and_policies() -> None:
    found = of(cold_max_size="20%", max_model_share="50%", write_policy="second-hit", write_budget="2GB", max_age="7d")
    assert found.policy.quota_bytes == 200 * GB
    assert found.policy.per_model_share == 0.5
    assert found.second_hit
    assert found.policy.write_budget_bytes_per_day == 2 * GB
    assert found.policy.max_age_s == 7 * 86400
