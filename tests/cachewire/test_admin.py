"""The cache's commands against a daemon with a model."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from omlx_cli.contract import routes
from omlx_daemon.coldstore import blockfile, names
from tests.cachewire.driving import ANSWER_TOKENS, MODEL, Client, story, until

SYSTEM = "You are a ship's cook who answers in one short sentence. " * 8


def command(client: Client, *words: str, code: int = 0) -> str:
    done = client.home.run("cache", *words)
    assert done.returncode == code, done.stdout + done.stderr
    return done.stdout if code == 0 else done.stderr


def verified(client: Client, **body: object) -> dict[str, Any]:
    with client.send("POST", routes.CACHE_VERIFY, body) as response:
        lines = [json.loads(line) for line in response.read().splitlines()]
    assert lines[-1]["type"] == "done", lines
    found: dict[str, Any] = lines[-1]["report"]
    return found


@pytest.mark.timeout(240)
def test_the_commands_do_what_they_say(client: Client, tmp_path: Path) -> None:
    client.load()
    prompt = story(300)
    first = client.ask(prompt)
    client.await_files(300 + ANSWER_TOKENS)
    pin_and_warm(client, tmp_path)
    until(lambda: len(client.files()) == 8 and is_written(client))
    assert verified(client)["damaged"] == 0
    (listed,) = client.call("GET", routes.CACHE_LIST)["namespaces"]
    assert client.call("POST", routes.SHOW, {"model": MODEL})["namespace"] == listed["namespace"]

    archive = tmp_path / "blocks.tar"
    files = client.files()
    assert f"exported {len(files)} files" in command(client, "export", MODEL, str(archive))
    assert "exists already" in command(client, "export", MODEL, str(archive), code=2)

    pins_own = tmp_path / "cook.tar"
    assert "exported 2 files" in command(client, "export", "cook", str(pins_own))

    command(client, "clear", "--yes")
    assert client.ask(prompt, cache_store=False).computed == 300
    assert client.ask(prompt, cache_store=False).computed == 300
    pinned = client.chat([{"role": "system", "content": SYSTEM}, {"role": "user", "content": "Hello?"}])[1]
    assert pinned.computed < 50

    command(client, "unpin", "cook")
    command(client, "clear", "--yes")
    until(lambda: not client.files())
    assert "imported 2 files" in command(client, "import", str(pins_own))
    brought = client.chat([{"role": "system", "content": SYSTEM}, {"role": "user", "content": "Hello?"}])[1]
    assert (brought.hot, brought.computed) == (0, pinned.computed)
    assert "imported" in command(client, "import", str(archive))
    assert set(files) <= set(client.files())
    again = client.ask(prompt)
    assert (again.tokens, again.cold) == (first.tokens, 299)

    assert "would remove" in command(client, "prune", "--older-than", "0", "--dry-run")
    assert client.files()
    command(client, "prune", "--older-than", "0", "--yes")
    until(lambda: not client.files())


def pin_and_warm(client: Client, tmp_path: Path) -> None:
    text = tmp_path / "system.txt"
    text.write_text(SYSTEM)
    assert "pinned cook" in command(client, "pin", "cook", "--system", str(text), "--model", MODEL)
    pin = client.call("GET", routes.CACHE_PINS)["pins"][0]
    assert (pin["label"], pin["blocks"]) == ("cook", 2)
    for question in ("Hello?", "What is for dinner?"):
        found = client.chat([{"role": "system", "content": SYSTEM}, {"role": "user", "content": question}])[1]
        assert found.computed < 70

    warm = {"model": MODEL, "text": "An old ship sails to the north. " * 12}
    computed = client.call("POST", routes.CACHE_WARM, warm)
    assert computed["computed_tokens"] == computed["prompt_tokens"] > 60
    assert client.call("POST", routes.CACHE_WARM, warm)["computed_tokens"] == 1


def is_written(client: Client) -> bool:
    """Return whether what lies in memory lies on disk too."""
    figures = client.figures()
    return bool(figures["cold"]["parts"] == figures["hot"]["parts"] and not figures["cold"]["queued_parts"])


def test_mistakes_are_one_clear_line(client: Client, tmp_path: Path) -> None:
    client.load()
    for words in (("ls",), ("prune", "--dry-run"), ("clear", "--yes")):
        assert command(client, *words, "--model", "nope", code=3).startswith("error: the cache holds nothing of 'nope'")
    (tmp_path / "chat.json").write_text('[{"role": "wizard", "content": "Abracadabra!"}]')
    assert "messages[0].role: " in command(client, "warm", str(tmp_path / "chat.json"), code=2)
    (tmp_path / "system.txt").write_text("Be brief.")
    pin = ("pin", "two\nlines", "--system", str(tmp_path / "system.txt"))
    assert "printable characters" in command(client, *pin, code=2)
    bad = tmp_path / "bad.tar"
    bad.write_text("no archive")
    assert "is no archive of blocks" in command(client, "import", str(bad), code=2)
    assert "there is no pin" in command(client, "unpin", "nothing", code=3)
    assert "nothing of" in command(client, "export", MODEL, str(tmp_path / "empty.tar"), code=3)
    ran = command(client, "export", "nothing", str(tmp_path / "empty.tar"), code=3)
    assert ran.startswith("error: no model and no pin 'nothing' is stored\nhint: omlx cache ls  lists models")


def test_a_deep_verification_finds_what_no_checksum_can(client: Client, tmp_path: Path) -> None:
    client.load()
    prompt = story(520)
    first = client.ask(prompt, max_tokens=1)
    client.ask(story(40, seed=1), cache_salt="salted")
    until(lambda: len(client.files()) == 4 and is_written(client))
    found = verified(client, deep=True)
    assert (found["checked"], found["recomputed"], found["damaged"], found["left_out"]) == (4, 4, 0, {})

    command(client, "export", MODEL, str(tmp_path / "all.tar"))
    command(client, "clear", "--yes")
    until(lambda: not client.files())
    command(client, "import", str(tmp_path / "all.tar"))
    found = verified(client, deep=True)
    assert (found["checked"], found["recomputed"], found["damaged"], found["left_out"]) == (4, 4, 0, {})

    forged = forge(next(file for file in client.files() if client.continues_another(file) and "-256." in file.name))
    assert verified(client)["damaged"] == 0
    found = verified(client, deep=True)
    assert (found["recomputed"], found["damaged"]) == (3, 1)
    assert found["problems"][0]["filename"] == forged
    client.restart()
    again = client.ask(prompt, max_tokens=1)
    assert (again.tokens, again.cold) == (first.tokens, 256)


def forge(file: Path) -> str:
    """Replace a block's rows by others, with good checksums."""
    name, space = names.parse(file.name), file.parents[1]
    assert name is not None
    header, payload = blockfile.read(space, name)
    tensors = [
        blockfile.Tensor(one.name, one.dtype, one.shape, payload[one.start : one.end][::-1]) for one in header.tensors
    ]
    file.unlink()
    blockfile.write(space, name, tensors, {"token_ids": header.metadata["token_ids"]})
    return file.name
