"""`omlx cache pin`, `unpin`, `pins`, `warm`, `export` and `import`."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from omlx_cli.contract import routes
from omlx_cli.contract.api import Done
from omlx_cli.contract.cache import CachePin, CachePinReply, CachePins, CacheWarm, PruneReport
from omlx_cli.contract.errors import Code, ErrorBody
from tests.cli.conftest import Omlx, omlx_process
from tests.cli.stand_in import StandIn, reply

PIN = CachePin(label="agent", namespace="ab" * 32, model="smollm2", blocks=5, stored_bytes=500_000)
DONE = PruneReport(files=12, size_bytes=34_000_000)


def test_pin_unpin_pins(daemon: StandIn, omlx: Omlx, tmp_path: Path) -> None:
    file = tmp_path / "prompt.txt"
    file.write_text("Be brief.\n")
    daemon.says("POST", routes.CACHE_PIN, reply(CachePinReply(pin=PIN)))
    daemon.says("POST", routes.CACHE_UNPIN, reply(Done(message="agent is no longer pinned")))
    daemon.says("GET", routes.CACHE_PINS, reply(CachePins(pins=(PIN,))))
    ran = omlx("cache", "pin", "agent", "--system", str(file))
    assert (ran.code, ran.out) == (0, "pinned agent for smollm2: 5 blocks, 500 kB\n")
    assert (
        json.loads(omlx("cache", "pin", "b", "--system", str(file), "--model", "m", "--json").out)["pin"]["blocks"] == 5
    )
    asked = [{"label": "agent", "model": "smollm2", "system": "Be brief.\n"}]
    assert daemon.asked(routes.CACHE_PIN) == [*asked, {"label": "b", "model": "m", "system": "Be brief.\n"}]
    assert omlx("cache", "unpin", "agent").out == "agent is no longer pinned\n"
    assert omlx("cache", "pins").out.splitlines()[1].split() == ["agent", "smollm2", "5", "500", "kB", "-"]


def test_a_prompt_may_come_from_stdin(daemon: StandIn) -> None:
    daemon.says("POST", routes.CACHE_WARM, reply(CacheWarm(prompt_tokens=9, computed_tokens=4, seconds=0.5)))
    ran = omlx_process("cache", "warm", "-", stdin="Once upon a time")
    assert (ran.code, ran.out) == (0, "9 tokens are ready: 4 computed in 500ms, 5 were there\n")
    assert daemon.asked(routes.CACHE_WARM) == [{"model": "smollm2", "text": "Once upon a time", "messages": []}]


def test_warm_takes_a_chat(daemon: StandIn, omlx: Omlx, tmp_path: Path) -> None:
    daemon.says("POST", routes.CACHE_WARM, reply(CacheWarm(prompt_tokens=9)))
    messages = [{"role": "user", "content": "hi"}]
    for document in (messages, {"messages": messages, "model": "other"}):
        (tmp_path / "chat.json").write_text(json.dumps(document))
        assert omlx("cache", "warm", str(tmp_path / "chat.json"), "--model", "m").code == 0
    assert daemon.asked(routes.CACHE_WARM) == [{"model": "m", "text": "", "messages": messages}] * 2


@pytest.mark.parametrize(
    ("name", "content", "code", "message"),
    [
        ("gone.txt", None, 3, "there is no file"),
        ("empty.txt", b" \n", 2, "is empty"),
        ("binary.txt", b"\xff\xfe", 2, "is no text: it is not UTF-8"),
        ("chat.json", b"{}", 2, "is no chat: Object missing required field `messages`"),
        ("chat.json", b"[]", 2, "is no chat: it has no message"),
        ("chat.json", b"[1]", 2, "is no chat: Expected `object`, got `int`"),
        ("chat.json", b"{", 2, "is no chat: Input data was truncated"),
        ("chat.json", b'"text"', 2, "is no chat: Expected `object | array`, got `str`"),
        ("chat.json", b'{"messages": 3}', 2, "is no chat: Expected `array`, got `int`"),
        ("chat.json", b"[" * 100_000, 2, "is no chat: "),
        ("chat.json", b'{"messages": [{}], "tools": [1]}', 2, "has tools, which would make another prompt"),
        ("chat.json", b'{"messages": [{}], "cache_salt": "me"}', 2, "has cache_salt, which would make another"),
    ],
)
def test_a_prompt_that_cannot_be_read(
    daemon: StandIn, omlx: Omlx, tmp_path: Path, name: str, content: bytes | None, code: int, message: str
) -> None:
    file = tmp_path / name
    if content is not None:
        file.write_bytes(content)
    ran = omlx("cache", "warm", str(file))
    assert ran.code == code
    assert str(file) in ran.err
    assert message in ran.err
    assert daemon.seen == []


def test_a_folder_is_no_prompt(daemon: StandIn, omlx: Omlx, tmp_path: Path) -> None:
    ran = omlx("cache", "pin", "a", "--system", str(tmp_path))
    assert (ran.code, ran.err) == (2, f"error: {tmp_path} cannot be read: Is a directory\n")


@pytest.mark.parametrize(
    ("words", "code", "message"),
    [
        (("warm", "~no-such-user/x"), 3, "there is no file ~no-such-user/x"),
        (("pin", "a", "--system", "~no-such-user/x"), 3, "there is no file ~no-such-user/x"),
        (("export", "m", ""), 2, "the archive's name is empty"),
        (("import", ""), 2, "the archive's name is empty"),
        (("import", "~no-such-user/x"), 3, "there is no file ~no-such-user/x"),
        (("export", "", "a.kv"), 2, "the model's name is empty"),
    ],
)
def test_names_that_name_nothing(daemon: StandIn, omlx: Omlx, words: tuple[str, ...], code: int, message: str) -> None:
    ran = omlx("cache", *words)
    assert (ran.code, ran.out) == (code, "")
    assert ran.err.startswith(f"error: {message}")
    assert daemon.seen == []


def test_an_import_says_what_it_left_out(daemon: StandIn, omlx: Omlx, tmp_path: Path) -> None:
    (tmp_path / "a.kv").touch()
    error = ErrorBody(code=Code.CACHE_FULL, message="there is no room")
    daemon.says("POST", routes.CACHE_IMPORT, reply(PruneReport(files=2, left_out={"that are damaged": 3}, error=error)))
    ran = omlx("cache", "import", str(tmp_path / "a.kv"))
    assert (ran.code, ran.out) == (6, "imported 2 files, 0 B\n")
    assert ran.err.splitlines() == [
        "left out 3 that are damaged",
        "their checksums are right; omlx cache verify --deep  computes them again and compares",
        "error: there is no room",
    ]


def test_export_and_import(daemon: StandIn, omlx: Omlx, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    daemon.says("POST", routes.CACHE_EXPORT, reply(DONE))
    daemon.says("POST", routes.CACHE_IMPORT, reply(DONE))
    assert omlx("cache", "export", "smollm2", "a.kv").out == "exported 12 files, 34.0 MB to a.kv\n"
    assert daemon.asked(routes.CACHE_EXPORT) == [{"path": str(tmp_path / "a.kv"), "model": "smollm2"}]
    ran = omlx("cache", "import", "a.kv")
    assert (ran.code, ran.err.splitlines()[0]) == (3, "error: there is no file a.kv")
    (tmp_path / "a.kv").touch()
    assert omlx("cache", "import", "a.kv").out == "imported 12 files, 34.0 MB\n"
    assert daemon.asked(routes.CACHE_IMPORT) == [{"path": str(tmp_path / "a.kv"), "model": ""}]
