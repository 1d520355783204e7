"""The daemon completes what a worker tells of a miss, and shows it to whoever may see it."""

from __future__ import annotations

import msgspec
import pytest

from omlx_cli.contract.errors import Code, OmlxError
from omlx_cli.contract.explain import Explanation
from omlx_cli.contract.misses import MissCause
from omlx_daemon.coldstore.names import BlockName, Part
from omlx_daemon.core.events import Event, Finished, FinishReason, Miss, Prefill, Queued, Text, Usage
from omlx_daemon.core.requests import ChatPrompt, GenerationRequest, Message
from omlx_daemon.explain.advice import ADVICE, MEANINGS
from omlx_daemon.explain.explainer import Explainer
from omlx_daemon.explain.graves import Graves
from omlx_daemon.ledger.policy import Reason, Removed

BLOCK = BlockName(b"b" * 32, b"p" * 32, 256, Part.TOKENS)
NEW = Miss(cause=MissCause.NEW_PROMPT, block=BLOCK.hash)


def request(number: int = 1, *, client: str = "ann", answers: int = 0, first: str = "hi") -> GenerationRequest:
    turns = [Message(role="system", content="Be brief."), Message(role="user", content=first)]
    turns += [Message(role="assistant", content="Yes."), Message(role="user", content="go on")] * answers
    prompt = ChatPrompt(messages=tuple(turns))
    return GenerationRequest(id=f"req_{number}.0", model="m", prompt=prompt, client=client)


def removed(reason: Reason, name: BlockName = BLOCK) -> Removed:
    return Removed("space", name.filename, 1, reason, "m")


class Bench:
    def __init__(self) -> None:
        self.explainer = Explainer(lambda: 0.0)
        self.explainer.past.opened("m", "one", {"chat_template.jinja": "a", "config": "c", "model": "m"}, {})

    def hear(self, miss: Miss, asked: GenerationRequest | None = None) -> Miss:
        event = Prefill(done_tokens=100, total_tokens=600, cached_hot_tokens=64, miss=miss)
        found = self.explainer.heard(asked or request(), "m", event)
        assert isinstance(found, Prefill)
        assert found.miss is not None
        return found.miss

    def explain(
        self, request_id: str = "", client: str = "ann", *, reads: bool = True, may_act: bool = False
    ) -> Explanation | None:
        reply = self.explainer.explain(request_id, lambda own: may_act or own == client, reads=reads, may_act=may_act)
        return reply.explanation


def test_every_cause_has_a_meaning_and_every_miss_advice() -> None:
    assert MEANINGS.keys() == set(MissCause)
    assert ADVICE.keys() == {cause for cause in MissCause if cause.is_miss}


@pytest.mark.parametrize(
    ("reason", "cause", "said"),
    [
        (Reason.QUOTA, MissCause.EVICTED, "cold_max_size"),
        (Reason.AGE, MissCause.EVICTED, "max_age"),
        (Reason.PRUNE, MissCause.PRUNED, "prune"),
        (Reason.CLEAR, MissCause.PRUNED, "clear"),
        (Reason.GONE, MissCause.PRUNED, "not by omlx"),
    ],
)
def test_the_ledger_knows_why_a_block_went(reason: Reason, cause: MissCause, said: str) -> None:
    bench = Bench()
    bench.explainer.graves.note([removed(reason)])
    for told in (NEW, Miss(cause=MissCause.NONE, at_tokens=256, block=BLOCK.hash)):
        miss = bench.hear(told)
        assert miss.cause is cause
        assert said in miss.detail
        assert miss.avoidable_tokens == 600 - 1 - told.at_tokens
    header = Miss(cause=MissCause.HEADER, block=BLOCK.hash)
    assert bench.hear(header) == header


def test_what_a_writer_replaces_is_no_loss_and_graves_are_few() -> None:
    graves = Graves(max_blocks=2)
    graves.note([removed(Reason.DISCARD)])
    assert graves.why(BLOCK.hash) is None
    names = [BlockName(bytes([n]) * 32, b"p" * 32, 256, Part.TOKENS) for n in range(3)]
    graves.note([removed(Reason.QUOTA, name) for name in names])
    assert [graves.why(name.hash) is not None for name in names] == [False, True, True]


def test_a_model_that_changed_since_a_conversation_began() -> None:
    bench = Bench()
    assert bench.hear(NEW).cause is MissCause.NEW_PROMPT
    bench.explainer.past.opened("m", "two", {"chat_template.jinja": "b", "config": "c", "model": "m"}, {})
    miss = bench.hear(NEW, request(2, answers=1))
    assert (miss.cause, miss.detail) == (MissCause.TEMPLATE_CHANGED, "chat_template.jinja")
    assert bench.hear(NEW, request(3, answers=1)).cause is MissCause.NEW_PROMPT
    assert bench.hear(NEW, request(4, first="another")).cause is MissCause.NEW_PROMPT


def test_a_model_that_changed_before_the_daemon_started() -> None:
    bench = Bench()
    bench.explainer.past.opened("m", "two", {"config": "x"}, {"config": "c"})
    assert bench.hear(NEW, request(1, answers=1, first="old")).cause is MissCause.TEMPLATE_CHANGED
    assert bench.hear(NEW, request(2, first="new")).cause is MissCause.NEW_PROMPT


def test_the_end_tells_what_the_beginning_told() -> None:
    bench = Bench()
    bench.explainer.graves.note([removed(Reason.CLEAR)])
    bench.hear(NEW)
    end = Finished(reason=FinishReason.STOP, usage=Usage(prompt_tokens=600, miss=NEW))
    told = bench.explainer.heard(request(), "m", end)
    assert isinstance(told, Finished)
    assert told.usage.miss is not None
    assert told.usage.miss.cause is MissCause.PRUNED
    text: Event = Text(text="a")
    assert bench.explainer.heard(request(), "m", text) is text


def test_rules_that_a_worker_applied_are_passed_on() -> None:
    heard: list[str] = []
    Explainer(lambda: 0.0, heard.extend).heard(request(), "m", Queued(rules=("system_in_place",)))
    assert heard == ["system_in_place"]


def test_explanations_are_shown_to_those_who_may_see_them() -> None:
    bench = Bench()
    miss = Miss(
        cause=MissCause.COUNTER, at_tokens=64, avoidable_tokens=500, before="a", now="b", earlier="c", is_own=True
    )
    bench.hear(miss)
    assert bench.explain("req_1") == bench.explain("req_1.0") == bench.explain()
    found = bench.explain()
    assert found is not None
    assert (found.before, found.now, found.earlier) == ("a", "b", "c")
    assert (found.recomputed_tokens, found.at) == (536, "1970-01-01T00:00:00.000Z")
    blind = bench.explain(reads=False)
    assert blind == msgspec.structs.replace(found, before="", now="", earlier="")
    assert bench.explain(client="bob") is None
    with pytest.raises(OmlxError) as caught:
        bench.explain("req_1", client="bob")
    assert caught.value.code is Code.NOT_FOUND
    assert bench.explain("req_1", client="bob", may_act=True) == found


def test_what_stored_blocks_tell_is_shown_to_the_owner_alone() -> None:
    bench = Bench()
    bench.hear(Miss(cause=MissCause.COUNTER, avoidable_tokens=9, now="b", earlier="c"))
    own, owner = bench.explain(), bench.explain(may_act=True)
    assert own is not None
    assert owner is not None
    assert (own.earlier, owner.earlier) == ("", "c")


def test_the_last_miss_is_not_the_last_request_and_old_ones_go() -> None:
    bench = Bench()
    bench.hear(Miss(cause=MissCause.EVICTED, avoidable_tokens=300), request(1))
    bench.hear(Miss(cause=MissCause.NONE), request(2))
    bench.hear(Miss(cause=MissCause.BELOW_GATE), request(3))
    found = bench.explain()
    assert found is not None
    assert found.request == "req_1.0"
    for number in range(4, 300):
        bench.hear(Miss(cause=MissCause.NONE), request(number))
    assert bench.explain() is None
    assert bench.explainer.explain("", lambda own: True, reads=True, may_act=True).requests == 256
