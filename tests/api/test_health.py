"""Live is not ready."""

from __future__ import annotations

import pytest

from omlx_cli.contract.api import DaemonState
from tests.api.serving import Served


@pytest.mark.parametrize("state", DaemonState)
def test_health_is_always_200_and_ready_only_when_it_is(served: Served, state: DaemonState) -> None:
    served.daemon.state = state
    live, ready = served.ask("GET", "/health"), served.ask("GET", "/health/ready")
    assert (live.status, live.json["state"], live.json["name"]) == (200, state.value, "omlx")
    assert ready.status == (200 if state is DaemonState.READY else 503)
    assert ready.json["state"] == state.value
