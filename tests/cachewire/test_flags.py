"""The daemon's options of the cache stand above the settings, for one run."""

from __future__ import annotations

from pathlib import Path

import pytest

from omlx_cli.contract import routes
from tests.daemon.conftest import Home, home

__all__ = ["home"]
SETTINGS = '[server]\nport = 0\n[cache]\ncold_max_size = "7GB"\nmin_free = "0"\n'


def test_flags_replace_what_they_name_and_leave_the_rest(home: Home, tmp_path: Path) -> None:
    home.configure(SETTINGS)
    home.start("--cache-dir", str(tmp_path / "elsewhere"), "--cache-hot-max=1GiB")
    status, found = home.call("GET", routes.CACHE_STATS)
    assert status == 200
    assert (found["path"], found["quota_bytes"], found["state"]) == (str(tmp_path / "elsewhere"), 7 * 10**9, "ok")
    assert (tmp_path / "elsewhere" / "CACHEDIR.TAG").exists()
    assert not home.paths.cache.exists()


@pytest.mark.parametrize("flag", ["--no-cache", "--cache-cold-max=0"])
def test_without_a_cold_tier_nothing_is_made(home: Home, flag: str) -> None:
    home.configure(SETTINGS)
    home.start(flag)
    found = home.call("GET", routes.CACHE_STATS)[1]
    assert (found["state"], found["reason"]) == ("off", "the cold tier is switched off")
    assert home.call("GET", routes.CACHE_LIST)[1]["namespaces"] == []
    assert home.call("POST", routes.CACHE_VERIFY, {})[1]["error"]["code"] == "cache_unusable"
    assert home.call("GET", routes.CACHE_METRICS)[1]["hit_rate"] == 0
    assert not home.paths.cache.exists()


def test_a_flag_that_cannot_be_read_is_refused(home: Home) -> None:
    running = home.start("--cache-hot-max=lots")
    code, errors = running.wait()
    assert (code, running.said["error"]["code"]) == (2, "invalid_config")
    assert "cache.hot_max_size: 'lots' is not a size" in errors
