"""`omlx cache explain`, as people read it."""

from __future__ import annotations

import json

import msgspec

from omlx_cli.contract import routes
from omlx_cli.contract.errors import Code
from omlx_cli.contract.explain import ExplainReply, Explanation
from omlx_cli.contract.misses import MissCause
from tests.cli.conftest import Omlx
from tests.cli.stand_in import StandIn, refusal, reply

LAST = f"{routes.CACHE_EXPLAIN}?id="
FOUND = Explanation(
    request="req_2.0", model="smollm2", client="laptop", prompt_tokens=900, cached_hot_tokens=256,
    cached_cold_tokens=44, recomputed_tokens=600, cause=MissCause.COUNTER, meaning="a counter differs",
    detail="a number", advice="have the client leave it out", at_tokens=300, avoidable_tokens=570,
    before="You have ", now="47 tokens\n", earlier="15 tokens\n", compared_with="req_1.0",
)  # fmt: skip
LINES = """\
request   req_2.0 of smollm2
client    laptop
prompt    900 tokens
reused    256 from RAM, 44 from SSD
computed  600, of which about 570 need not have been
cause     counter: a counter differs (a number)
where     after token 300, compared with req_1.0
before    "You have "
now       "47 tokens\\n"
earlier   "15 tokens\\n"
advice    have the client leave it out
"""


def told(daemon: StandIn, omlx: Omlx, **changes: object) -> str:
    found = msgspec.structs.replace(FOUND, **changes)
    daemon.says("GET", LAST, reply(ExplainReply(explanation=found, requests=2)))
    ran = omlx("cache", "explain")
    assert (ran.code, ran.err) == (0, "")
    return ran.out


def test_tokens_by_tier_place_both_texts_cause_and_advice(daemon: StandIn, omlx: Omlx) -> None:
    assert told(daemon, omlx) == LINES
    assert "; with another prompt it shares 300\n" in told(daemon, omlx, at_tokens=118)


def test_what_was_no_miss_has_no_place(daemon: StandIn, omlx: Omlx) -> None:
    none = {"cause": MissCause.NONE, "advice": "", "avoidable_tokens": 0, "before": "", "now": "", "earlier": ""}
    names = [line.split()[0] for line in told(daemon, omlx, **none).splitlines()]
    assert names == ["request", "client", "prompt", "reused", "computed", "cause"]


def test_no_text_steers_the_terminal(daemon: StandIn, omlx: Omlx) -> None:
    shown = told(daemon, omlx, now="\x1b[2J\x9b2J\u202egnp", detail="x\x1b]0;t\x07", client="a\x9bb")
    assert r'"\u001b[2J\u009b2J\u202egnp"' in shown
    assert all(letter.isprintable() for letter in shown.replace("\n", ""))


def test_one_request_is_asked_for_by_its_id(daemon: StandIn, omlx: Omlx) -> None:
    daemon.says("GET", f"{LAST}req%2F2", reply(ExplainReply(explanation=FOUND, requests=2)))
    document = json.loads(omlx("cache", "explain", "req/2", "--json").out)
    assert document["explanation"]["cause"] == "counter"
    assert document["schema_version"] == 1


def test_nothing_to_explain(daemon: StandIn, omlx: Omlx) -> None:
    daemon.says("GET", LAST, reply(ExplainReply()))
    assert omlx("cache", "explain").out == "no request was made yet, so none computed more than it had to\n"
    daemon.says("GET", LAST, reply(ExplainReply(requests=5)))
    assert omlx("cache", "explain").out == "of the last 5 requests none computed more than it had to\n"
    daemon.says("GET", f"{LAST}x", refusal(Code.NOT_FOUND, "there is no request 'x'", status=404))
    assert omlx("cache", "explain", "x").code == 3
