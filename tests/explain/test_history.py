"""What changed between a prompt and the one before it is named, by its turns and by its text."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from omlx_cli.contract.misses import MissCause
from omlx_daemon.core.requests import CachePolicy, ChatPrompt, GenerationRequest, Message, Prompt, TextPrompt
from omlx_daemon.worker.cache.hashing import packed
from omlx_daemon.worker.cache.plan import Stop
from omlx_daemon.worker.explain.history import History, Kin
from omlx_daemon.worker.explain.verdict import Found, verdict
from omlx_daemon.worker.explain.witness import Beside, Witness

SYSTEM = "You are a careful programmer.\nWork in small steps.\nCall tools where they help.\nSession: {n}\nBe brief."
TOOLS: tuple[dict[str, Any], ...] = tuple(
    {
        "type": "function",
        "function": {"name": name, "description": f"to {name} things", "parameters": {"type": "object"}},
    }
    for name in ("bash", "read", "write")
)


def decode(ids: Any) -> str:
    return "".join(map(chr, ids))


def tokens(text: str) -> list[int]:
    return [ord(letter) for letter in text]


def rendered(prompt: Prompt) -> str:
    """Return a prompt as a template would, a token a letter."""
    if isinstance(prompt, TextPrompt):
        return prompt.text
    assert isinstance(prompt, ChatPrompt)
    turns = [
        f"<{m.role}>{f'<think>{m.reasoning}</think>' if m.reasoning else ''}{m.content}\n" for m in prompt.messages
    ]
    head = msgspec.json.encode(prompt.tools).decode() if prompt.tools else ""
    return f"{head}{''.join(turns)}<assistant>"


class Talk:
    def __init__(self) -> None:
        self.history = History(decode)
        self.count = 0

    def say(self, prompt: Prompt, answer: str = "Done.", *, client: str = "", salt: str = "") -> Kin | None:
        self.count += 1
        request = GenerationRequest(
            id=f"r{self.count}", model="m", prompt=prompt, client=client, cache=CachePolicy(salt=salt)
        )
        ids = tokens(rendered(prompt))
        record, kin = self.history.meet(request, ids)
        record.end([*ids, *tokens(answer)], len(ids))
        return kin


def chat(*turns: tuple[str, str] | Message, **more: Any) -> ChatPrompt:
    messages = (turn if isinstance(turn, Message) else Message(role=turn[0], content=turn[1]) for turn in turns)
    return ChatPrompt(messages=tuple(messages), **more)


def head(n: object = 1, line: str = SYSTEM) -> tuple[str, str]:
    return "system", line.format(n=n)


FIRST = ("user", "fix the parser")
ANSWER = ("assistant", "Done.")
NEXT = ("user", "and the tests")


def found(earlier: Prompt, now: Prompt, answer: str = "Done.") -> tuple[MissCause, str]:
    talk = Talk()
    talk.say(earlier, answer)
    kin = talk.say(now)
    assert kin is not None
    return kin.finding


@pytest.mark.parametrize(
    ("line", "cause", "detail"),
    [
        ("x-custom-attribution: build={n}\n" + SYSTEM.replace("{n}", "1"), MissCause.HEADER, "x-custom-attribution"),
        ("Rules\ncc_version=1.{n}; cch={n}f\n" + SYSTEM.replace("{n}", "1"), MissCause.HEADER, ""),
        (SYSTEM.replace("Session: {n}", "You have {n} tokens left"), MissCause.COUNTER, "a number"),
        (SYSTEM.replace("Session: {n}", "Budget {n} of 99 steps"), MissCause.COUNTER, "a number"),
        (SYSTEM.replace("Session: {n}", "It is 2026-11-2{n} now"), MissCause.COUNTER, "a date or time"),
        (SYSTEM.replace("Session: {n}", "Now 10:0{n} am"), MissCause.COUNTER, "a date or time"),
    ],
)
def test_volatile_lines_of_the_system_text(line: str, cause: MissCause, detail: str) -> None:
    cause_found, what = found(chat(head(1, line), FIRST), chat(head(2, line), FIRST, ANSWER, NEXT))
    assert cause_found is cause
    assert detail in what


def test_a_clock_in_a_system_text_of_one_line_is_seen_though_all_else_is_new() -> None:
    watcher = "You watch a build and tell in a sentence how it stands; it is 10:0{n} now."
    question, other = ("user", "how far is the compiler?"), ("user", "which tests failed?")
    assert found(chat(head(1, watcher), question), chat(head(2, watcher), other)) == (
        MissCause.COUNTER,
        "a date or time",
    )
    translator = "You translate what people write; it is 10:02 now."
    assert found(chat(head(1, watcher), question), chat(("system", translator), other)) == (MissCause.NONE, "")
    alike = "It is 10:0{n} now.\n"
    assert found(chat(head(1, alike + watcher), question), chat(("system", alike.format(n=2) + translator), other)) == (
        MissCause.NONE, "",
    )  # fmt: skip


def test_a_counter_in_an_earlier_tool_result() -> None:
    def turns(left: int, *more: tuple[str, str]) -> ChatPrompt:
        return chat(head(), FIRST, ANSWER, ("tool", f"two files\nTokens left: {left}"), *more)

    assert found(turns(900), turns(700, ("assistant", "I see."), NEXT), "I see.") == (MissCause.COUNTER, "a number")
    without = chat(head(), FIRST, ANSWER, ("tool", "two files"), ("assistant", "I see."), NEXT)
    assert found(turns(900), without, "I see.") == (MissCause.COUNTER, "a number")


@pytest.mark.parametrize("joint", ["\n\n", " "])
def test_a_hoisted_system_message(joint: str) -> None:
    reminder = "The user is now in plan mode."
    before = chat(head(), FIRST, ANSWER, ("system", reminder), NEXT)
    after = chat(("system", SYSTEM.format(n=1) + joint + reminder), FIRST, ANSWER, NEXT, ANSWER, NEXT)
    assert found(before, after)[0] is MissCause.SYSTEM_HOISTED
    assert found(chat(head(), FIRST, ANSWER, NEXT), after)[0] is MissCause.SYSTEM_HOISTED
    apart = chat(head(), ("system", reminder), FIRST, ANSWER, NEXT)
    assert found(chat(head(), FIRST), apart)[0] is MissCause.SYSTEM_HOISTED


def test_tools_in_another_order_another_spelling_and_others() -> None:
    before = chat(head(), FIRST, tools=TOOLS)
    later = (head(), FIRST, ANSWER, NEXT)
    assert found(before, chat(*later, tools=TOOLS[::-1])) == (MissCause.TOOLS_REORDERED, "their order")
    spelled = tuple({"function": tool["function"], "type": "function"} for tool in TOOLS)
    assert found(before, chat(*later, tools=spelled)) == (MissCause.TOOLS_REORDERED, "the order of their keys")
    assert found(before, chat(*later, tools=TOOLS[:2])) == (MissCause.TOOLS_CHANGED, "1 removed")
    assert found(before, chat(*later)) == (MissCause.TOOLS_CHANGED, "3 removed")


def test_reasoning_that_does_not_come_back() -> None:
    thought = "<think>I look at the parser first.</think>Done."
    assert found(chat(head(), FIRST), chat(head(), FIRST, ANSWER, NEXT), thought) == (
        MissCause.REASONING_STRIPPED,
        "by the client",
    )
    kept = Message(role="assistant", content="Done.", reasoning="I look at the parser first.")
    assert found(chat(head(), FIRST, kept, NEXT), chat(head(), FIRST, ANSWER, NEXT, ANSWER, NEXT)) == (
        MissCause.REASONING_STRIPPED,
        "by the client",
    )
    assert found(chat(head(), FIRST), chat(head(), FIRST, kept, NEXT), thought) == (MissCause.NONE, "")


def test_a_changed_message_and_a_changed_answer() -> None:
    before = chat(head(), FIRST, ANSWER, NEXT, ANSWER, ("user", "last"))
    changed = chat(head(), ("user", "mend the lexer"), ANSWER, NEXT, ANSWER, ("user", "last"))
    assert found(before, changed) == (MissCause.HISTORY_CHANGED, "a message of the user")
    assert (
        found(chat(head(), FIRST), chat(head(), FIRST, ("assistant", "Never."), NEXT))[0] is MissCause.HISTORY_CHANGED
    )


@pytest.mark.parametrize(
    "now",
    [
        chat(head(), FIRST, ANSWER, NEXT),
        chat(head(), FIRST),
        chat(head(), ("user", "write a poem of 5 lines")),
        chat(head(), ("user", "count 6 tokens")),
        chat(("system", "You translate."), ("user", "Good morning")),
        chat(("user", "Good morning")),
    ],
)
def test_what_goes_on_or_goes_its_own_way_is_no_miss(now: ChatPrompt) -> None:
    assert found(chat(head(), FIRST), now) == (MissCause.NONE, "")
    assert (
        found(chat(head(), ("user", "count 5 tokens")), chat(head(), ("user", "count 6 tokens")))[0] is MissCause.NONE
    )


def test_prompts_without_turns_are_judged_by_their_lines() -> None:
    body = "\n".join(f"line {n} says something" for n in range(40))
    text = "x-trace-id: {n}\n" + body
    assert found(TextPrompt(text=text.format(n=5)), TextPrompt(text=text.format(n=6)))[0] is MissCause.HEADER
    counter = "first\n{n} tokens remaining\n" + body
    assert found(TextPrompt(text=counter.format(n=5)), TextPrompt(text=counter.format(n=6)))[0] is MissCause.COUNTER
    assert found(TextPrompt(text="a\n" + body), TextPrompt(text="b\n" + body))[0] is MissCause.HISTORY_CHANGED
    assert found(TextPrompt(text="one thing"), TextPrompt(text="other story"))[0] is MissCause.NONE


def test_the_conversation_is_found_among_others() -> None:
    talk = Talk()
    talk.say(chat(head(1), FIRST, ANSWER, NEXT))
    talk.say(chat(head(1), ("user", "another"), ANSWER, ("user", "story")))
    kin = talk.say(chat(head(2), FIRST, ANSWER, NEXT, ANSWER, ("user", "go on")))
    assert kin is not None
    assert kin.record.id == "r1"
    assert kin.window.before.endswith("Session: ")
    assert kin.window.now.startswith("2\n")
    assert kin.window.earlier.startswith("1\n")


def test_prompts_of_others_are_never_compared_with() -> None:
    talk = Talk()
    talk.say(chat(head(), FIRST), client="ann", salt="s")
    for client, salt in (("bob", "s"), ("ann", ""), ("", "")):
        assert talk.say(chat(head(), FIRST, ANSWER, NEXT), client=client, salt=salt) is None
    assert talk.say(chat(head(), FIRST, ANSWER, NEXT), client="ann", salt="s") is not None


def test_memory_is_bounded_and_one_conversation_is_one_record() -> None:
    talk = Talk()
    turns = [head(), FIRST]
    for _ in range(20):
        talk.say(chat(*turns))
        turns += [ANSWER, NEXT]
    assert len(talk.history) == 1
    small = History(decode, max_records=3, max_bytes=100_000)
    for n in range(9):
        request = GenerationRequest(id=str(n), model="m", prompt=TextPrompt(text=str(n) * 10))
        small.meet(request, tokens(str(n) * 10))
    assert len(small) == 3
    for n in range(3):
        request = GenerationRequest(id=str(n), model="m", prompt=TextPrompt(text=str(n) * 10_000))
        small.meet(request, tokens(str(n) * 10_000))
    assert len(small) == 1


def meeting(earlier: Prompt, now: Prompt, *, running: bool = False, no_store: bool = False) -> tuple[Kin, int]:
    history = History(decode)
    policy = CachePolicy(no_store=no_store)
    ids = tokens(rendered(earlier))
    record, _ = history.meet(GenerationRequest(id="a", model="m", prompt=earlier, cache=policy), ids)
    if not running:
        record.end(ids, len(ids))
    _, kin = history.meet(GenerationRequest(id="b", model="m", prompt=now), tokens(rendered(now)))
    assert kin is not None
    return kin, len(rendered(now))


@pytest.mark.parametrize(
    ("stop", "how", "cause"),
    [
        (Stop.EVICTED, {}, MissCause.EVICTED),
        (Stop.GATE, {}, MissCause.BELOW_GATE),
        (Stop.LOST, {}, MissCause.DAMAGED),
        (Stop.NO_CHECKPOINT, {}, MissCause.NO_CHECKPOINT),
        (Stop.NO_ENTRY, {"running": True}, MissCause.NOT_COMMITTED),
        (Stop.END, {"no_store": True}, MissCause.NOT_STORED),
        (Stop.OFF, {}, MissCause.OFF),
    ],
)
def test_what_the_cache_lacks_of_an_earlier_prompt(stop: Stop, how: dict[str, bool], cause: MissCause) -> None:
    kin, length = meeting(chat(head(), FIRST), chat(head(), FIRST, ANSWER, NEXT), **how)
    miss = verdict(Found(stop, length, position=16, reach=16), kin)
    assert miss.cause is cause
    assert stop is Stop.OFF or miss.avoidable_tokens == kin.at_tokens - 16
    whole = verdict(Found(Stop.END, length, position=kin.at_tokens, reach=kin.at_tokens), kin)
    assert whole.cause is MissCause.NONE


def test_the_greater_loss_names_the_cause() -> None:
    kin, length = meeting(chat(head(1), FIRST), chat(head(2), FIRST, ANSWER, NEXT))
    assert verdict(Found(Stop.DIVERGED, length, kin.at_tokens, kin.at_tokens), kin).cause is MissCause.COUNTER
    late = SYSTEM.replace("Session: {n}\nBe brief.", "") * 9 + "\nNow {n}0:00"
    kin, length = meeting(chat(head(1, late), FIRST), chat(head(2, late), FIRST, ANSWER, NEXT))
    assert verdict(Found(Stop.EVICTED, length, 0, 0), kin).cause is MissCause.EVICTED


def test_without_an_earlier_prompt_stored_blocks_tell() -> None:
    ids = tokens("Some rules\nNow 10:01 am\nand the rest\nis the same")
    stored = tokens("Some rules\nNow 10:02 am\nand the rest\nis the same")
    record, _ = History(decode).meet(GenerationRequest(id="a", model="m", prompt=TextPrompt(text="")), ids)
    witness = Witness(record, None, decode)
    miss = witness.miss(Found(Stop.DIVERGED, len(ids), 12, 12), lambda: Beside(packed(ids), packed(stored)))
    assert (miss.cause, miss.is_own) == (MissCause.COUNTER, False)
    assert miss.now.startswith("1 am")
    assert miss.earlier.startswith("2 am")
    assert witness.miss(Found(Stop.DIVERGED, len(ids), 12, 12), lambda: None).cause is MissCause.NONE
    assert witness.miss(Found(Stop.NO_ENTRY, len(ids), 0, 0), lambda: None).cause is MissCause.NEW_PROMPT
    assert witness.miss(Found(Stop.EVICTED, len(ids), 0, 0), lambda: None).cause is MissCause.EVICTED
