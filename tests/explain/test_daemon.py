"""Each cause of a miss, provoked on a real daemon, is named by `omlx cache explain`, the header and the usage."""

from __future__ import annotations

import re
from typing import Any

import pytest

from omlx_cli.contract.misses import MissCause
from omlx_daemon.coldstore.names import BLOCK_TOKENS
from tests.explain.asking import TOOLS, Asking, Told, Turn, system, turn

BIASED = 65
"""A token that is a letter."""


def told(asking: Asking, answer: Told, cause: MissCause) -> dict[str, Any]:
    """Return the explanation of an answer, whose cause stands wherever it is told."""
    found = asking.explain(answer.request)
    assert found["cause"] == cause, found
    assert found["advice"]
    assert found["recomputed_tokens"] == answer.computed
    assert 0 < found["avoidable_tokens"] <= answer.computed
    assert answer.header.startswith(f"cause={cause} at={found['at_tokens']} ")
    assert answer.usage["miss"]["cause"] == cause
    assert asking.explain()["request"] == found["request"]
    return found


def two_turns(asking: Asking, first: list[Turn], *rest: Turn, before: dict[str, Any], now: dict[str, Any]) -> Told:
    """Return the second answer of a chat whose beginning is sent again with `now` in place of `before`."""
    answer = asking.chat([before, *first])
    asking.settle()
    return asking.chat([now, *first, turn("assistant", answer.text), *rest])


@pytest.mark.parametrize(
    ("topic", "line", "cause", "before"),
    [
        ("headers", "x-acme-attribution: build={};\n", MissCause.HEADER, "build="),
        ("counters", "You have {} tokens left.\n", MissCause.COUNTER, "You have "),
        ("clocks", "It is 10:{} now.\n", MissCause.COUNTER, "It is 10:"),
    ],
)
def test_lines_that_change_by_themselves(unruled: Asking, topic: str, line: str, cause: MissCause, before: str) -> None:
    question = turn("user", f"What do {topic} mean?")
    sent = {"before": system(topic, line.format(15)), "now": system(topic, line.format(47))}
    found = told(unruled, two_turns(unruled, [question], turn("user", "Go on."), **sent), cause)
    assert found["before"].endswith(before)
    assert found["now"].startswith("47")
    assert found["earlier"].startswith("15")
    assert found["compared_with"]


def test_a_system_message_that_was_hoisted(unruled: Asking) -> None:
    head, question, reminder = system("hoists"), turn("user", "Which one?"), "Mind the gap now."
    answer = unruled.chat([head, question])
    unruled.settle()
    hoisted = turn("system", f"{head['content']}\n\n{reminder}")
    later = unruled.chat([hoisted, question, turn("assistant", answer.text), turn("user", "And now?")])
    assert reminder in told(unruled, later, MissCause.SYSTEM_HOISTED)["now"]


def test_tools_in_another_order(unruled: Asking) -> None:
    turns = [system("tools"), turn("user", "Which tools?")]
    answer = unruled.chat(turns, tools=TOOLS)
    unruled.settle()
    more = [*turns, turn("assistant", answer.text), turn("user", "All?")]
    found = told(unruled, unruled.chat(more, tools=TOOLS[::-1]), MissCause.TOOLS_REORDERED)
    assert found["detail"] == "their order"
    again = unruled.chat([*more, turn("assistant", "x"), turn("user", "Now?")], tools=TOOLS[:2])
    told(unruled, again, MissCause.TOOLS_CHANGED)


def test_reasoning_that_is_not_sent_back(unruled: Asking) -> None:
    thought = "The user wants to know about rules, so I look at each of them in turn and weigh it."
    turns = [system("thoughts"), turn("user", "Think."), turn("assistant", "Done.", reasoning_content=thought)]
    unruled.chat([*turns, turn("user", "And then?")])
    unruled.settle()
    turns[2] = turn("assistant", "Done.")
    answer = unruled.chat([*turns, turn("user", "And then?"), turn("assistant", "x"), turn("user", "So?")])
    found = told(unruled, answer, MissCause.REASONING_STRIPPED)
    assert "<think>" in found["earlier"]


def test_what_goes_on_is_no_miss(unruled: Asking) -> None:
    turns = [system("peace"), turn("user", "Hello.")]
    answer = unruled.chat(turns)
    found = unruled.explain(answer.request)
    assert found["cause"] in (MissCause.NEW_PROMPT, MissCause.NONE)
    assert not answer.header
    unruled.settle()
    later = unruled.chat([*turns, turn("assistant", answer.text), turn("user", "Bye.")])
    found = unruled.explain(later.request)
    assert (found["cause"], found["avoidable_tokens"], found["advice"]) == (MissCause.NONE, 0, "")
    assert "miss" not in later.usage


def conversation(asking: Asking, topic: str) -> list[Turn]:
    """Return a chat whose first turn is answered and on disk."""
    turns = [system(topic), turn("user", f"What of {topic}?")]
    answer = asking.chat(turns)
    asking.settle()
    return [*turns, turn("assistant", answer.text), turn("user", "Go on.")]


def test_a_changed_template(asking: Asking) -> None:
    asking.client.load()
    turns = conversation(asking, "templates")
    for topic in ("while the daemon runs", "while it does not"):
        template = asking.client.home.path / "models" / "tiny" / "chat_template.jinja"
        text = template.read_text().replace("<s>", "<s >")
        template.unlink()
        template.write_text(f"{{# {topic} #}}{text}")
        if topic == "while it does not":
            asking.client.restart()
        else:
            assert asking.client.home.run("unload", "tiny").returncode == 0
        answer = asking.chat(turns)
        assert told(asking, answer, MissCause.TEMPLATE_CHANGED)["detail"] == "chat_template.jinja"
        asking.settle()


def test_a_changed_tokenizer(asking: Asking) -> None:
    asking.client.load()
    turns = conversation(asking, "tokenizers")
    tokenizer = asking.client.home.path / "models" / "tiny" / "tokenizer.json"
    text = tokenizer.read_text()
    tokenizer.unlink()
    tokenizer.write_text(f" {text}")
    assert asking.client.home.run("unload", "tiny").returncode == 0
    assert told(asking, asking.chat(turns), MissCause.TEMPLATE_CHANGED)["detail"] == "tokenizer.json"


def test_blocks_that_were_pruned(asking: Asking) -> None:
    asking.client.load()
    turns = conversation(asking, "prunes")
    assert asking.client.home.run("cache", "clear", "--yes").returncode == 0
    assert "clear" in told(asking, asking.chat(turns), MissCause.PRUNED)["detail"]
    asking.settle()
    assert asking.client.home.run("cache", "clear", "--yes").returncode == 0
    assert asking.client.home.run("unload", "tiny").returncode == 0
    later = asking.chat([*turns, turn("assistant", "x"), turn("user", "And?")])
    told(asking, later, MissCause.PRUNED)


@pytest.mark.parametrize(
    ("limits", "detail"),
    [
        ('hot_max_size = "0"\ncold_max_size = "2.5MB"\n', "cache.cold_max_size"),
        ('hot_max_size = "2.5MB"\ncold_max_size = "0"\n', "from RAM"),
    ],
)
def test_blocks_that_made_room(asking: Asking, limits: str, detail: str) -> None:
    with (asking.client.home.path / "config.toml").open("a") as config:
        config.write(f'[cache]\nmin_free = "0"\n{limits}')
    asking.client.load()
    turns = conversation(asking, "evictions")
    for topic in ("others", "more", "still more"):
        conversation(asking, topic)
    assert detail in told(asking, asking.chat(turns), MissCause.EVICTED)["detail"]


def test_an_answer_that_has_not_ended(slow: Asking) -> None:
    slow.client.load()
    length = slow.chat([system("paste"), turn("user", "Count to a thousand.")]).prompt_tokens
    # The prompt ends early in a block, which the answer does not fill: it is kept when the answer ends.
    turns = [system("haste"), turn("user", "Count to a thousand." + "!" * ((10 - length) % BLOCK_TOKENS))]
    letters = {"logit_bias": {str(BIASED): 100}, "temperature": 0, "ignore_eos": True}
    body = {"model": "tiny", "messages": turns, "max_tokens": 200, "stream": True, **letters}
    with slow.client.send("POST", "/v1/chat/completions", body) as response:
        text = ""
        while len(text) < 20:
            line = response.readline()
            assert line, text
            text += "".join(re.findall(r'"content":"(\w+)"', line.decode()))
        hasty = slow.chat([*turns, turn("assistant", text), turn("user", "Enough.")])
    told(slow, hasty, MissCause.NOT_COMMITTED)


def test_a_prompt_that_was_not_to_be_stored(asking: Asking) -> None:
    asking.client.load()
    turns = [system("secrets"), turn("user", "Do not keep this.")]
    answer = asking.chat(turns, cache_store=False)
    later = asking.chat([*turns, turn("assistant", answer.text), turn("user", "Nor this.")])
    told(asking, later, MissCause.NOT_STORED)


def test_blocks_that_are_slow_to_read(slow: Asking) -> None:
    slow.client.load()
    first, second = conversation(slow, "patience"), conversation(slow, "haste")
    assert slow.client.home.run("unload", "tiny").returncode == 0
    slow.chat([system("speed"), turn("user", "How fast are you?")])
    assert slow.chat(first).computed < 600, "the first read is hoped to be fast"
    told(slow, slow.chat(second), MissCause.BELOW_GATE)
