"""Live is not ready."""

from __future__ import annotations

import pytest

from omlx_cli.contract.api import DaemonState, StuckWorker
from tests.api.serving import Served


@pytest.mark.parametrize("state", DaemonState)
def test_health_is_always_200_and_ready_only_when_it_is(served: Served, state: DaemonState) -> None:
    served.daemon.state = state
    live, ready = served.ask("GET", "/health"), served.ask("GET", "/health/ready")
    assert (live.status, live.json["state"], live.json["name"]) == (200, state.value, "omlx")
    assert ready.status == (200 if state is DaemonState.READY else 503)
    assert ready.json["state"] == state.value


def test_readiness_names_who_is_stuck_and_liveness_does_not(served: Served) -> None:
    served.daemon.state = DaemonState.STUCK
    served.daemon.stuck = (StuckWorker(model="sky", pid=7, request="req_1.0", requests=2, stuck_s=61.0),)
    ready, live = served.ask("GET", "/health/ready"), served.ask("GET", "/health")
    assert ready.status == 503
    [stuck] = ready.json["stuck"]
    assert (stuck["model"], stuck["request"], stuck["requests"], stuck["stuck_s"]) == ("sky", "req_1.0", 2, 61.0)
    assert (live.status, live.json["state"], live.json["stuck"]) == (200, "stuck", [])
