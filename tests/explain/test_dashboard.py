"""The request detail of `omlx top` tells, while a request runs, why its prompt was not reused."""

from __future__ import annotations

from omlx_cli.contract.misses import MissCause
from tests.explain.asking import TOOLS, Asking, system, turn
from tests.top.terminal import terminal


def test_the_detail_of_a_running_request_names_cause_and_advice(slow: Asking) -> None:
    slow.client.load()
    turns = [system("sights"), turn("user", "Which tools?")]
    answer = slow.chat(turns, tools=TOOLS)
    more = [*turns, turn("assistant", answer.text), turn("user", "All?")]
    letters = {"logit_bias": {"65": 100}, "temperature": 0, "ignore_eos": True}
    body = {"model": "tiny", "messages": more, "tools": TOOLS[:2], "max_tokens": 3000, "stream": True, **letters}
    with (
        slow.client.send("POST", "/v1/chat/completions", body) as response,
        terminal("top", environment=slow.client.home.environment) as screen,
    ):
        assert response.status == 200
        screen.see("Requests 1")
        screen.press("\r")
        shown = screen.see("timeline", f"missed       {MissCause.TOOLS_CHANGED}  after ", "1 removed")
        screen.press("q")
    advice = " ".join(slow.explain(response.headers["x-request-id"])["advice"].split()[:5])
    assert advice in shown
