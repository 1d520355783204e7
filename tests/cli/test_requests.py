"""requests, cancel."""

from __future__ import annotations

import json

from omlx_cli.contract import routes
from omlx_cli.contract.api import Done, RequestInfo, RequestPhase, RequestsReply
from omlx_cli.contract.errors import Code
from tests.cli.conftest import Omlx
from tests.cli.stand_in import StandIn, refusal, reply

ROWS = (
    RequestInfo(id="req_1.0", model="smollm2", client="agent", phase=RequestPhase.DECODE, age_s=12.0, tokens=40),
    RequestInfo(
        id="req_2.0", model="smollm2", phase=RequestPhase.PREFILL, priority="batch", prompt_tokens=900,
        prefilled_tokens=256,
    ),
    RequestInfo(id="req_3.0", model="qwen", client="local", phase=RequestPhase.LOADING, age_s=0.25),
)  # fmt: skip


def test_requests(daemon: StandIn, omlx: Omlx) -> None:
    daemon.says("GET", routes.REQUESTS, reply(RequestsReply(requests=ROWS)))
    assert omlx("requests").out == (
        "ID       MODEL    CLIENT  PHASE    PRIORITY  AGE     TOKENS\n"
        "req_1.0  smollm2  agent   decode   normal    12s         40\n"
        "req_2.0  smollm2  -       prefill  batch     0      256/900\n"
        "req_3.0  qwen     local   loading  normal    250ms        -\n"
    )
    assert json.loads(omlx("requests", "--json").out)["requests"][1]["priority"] == "batch"


def test_requests_never_start_the_daemon(omlx: Omlx) -> None:
    assert omlx("requests").code == 4
    assert omlx("cancel", "req_1").code == 4


def test_cancel(daemon: StandIn, omlx: Omlx) -> None:
    daemon.says("DELETE", f"{routes.REQUESTS}/req_1", reply(Done(message="req_1 is cancelled")))
    assert omlx("cancel", "req_1").out == "req_1 is cancelled\n"
    assert json.loads(omlx("cancel", "req_1", "--json").out)["message"] == "req_1 is cancelled"


def test_cancel_of_an_unknown_request(daemon: StandIn, omlx: Omlx) -> None:
    path = f"{routes.REQUESTS}/a%2Fb%20c"
    daemon.says("DELETE", path, refusal(Code.NOT_FOUND, "there is no request 'a/b c'", "omlx requests", 404))
    ran = omlx("cancel", "a/b c")
    assert (ran.code, ran.err) == (3, "error: there is no request 'a/b c'\nhint: omlx requests\n")
    assert omlx("cancel").code == 2
