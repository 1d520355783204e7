"""What the light commands may not import, and the straight way of `omlx ps`."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from omlx_cli import keys
from omlx_cli.contract import routes, sockets
from omlx_cli.contract.api import (
    Done,
    ModelDetail,
    ModelInfo,
    ModelsReply,
    RequestsReply,
    SlotInfo,
    SlotReply,
    SlotState,
)
from omlx_cli.contract.errors import Code
from omlx_cli.contract.explain import ExplainReply
from omlx_cli.contract.paths import Paths
from tests.cli.conftest import omlx_process
from tests.cli.stand_in import PS_TABLE, Canned, StandIn, refusal, reply, serving

HEAVY = {
    "asyncio", "email", "httpx", "litestar", "mlx", "mlx_lm", "numpy", "prompt_toolkit", "psutil", "rich", "ssl",
    "subprocess", "textual", "tomlkit", "tomllib", "transformers",
}  # fmt: skip

RUNNER = """
import sys
from omlx_cli.__main__ import run
code = run(sys.argv[1:])
sys.stdout.flush()
import json
sys.stderr.write("\\n" + json.dumps([code, sorted({name.partition(".")[0] for name in sys.modules})]))
"""

ROW = SlotReply(model=SlotInfo(name="smollm2", state=SlotState.IDLE, size_bytes=271_000_000, ttl_s=600.0))
MODEL = ModelInfo(name="smollm2", source="omlx", path="/models/smollm2", size_bytes=271_000_000)


def imported_by(*words: str) -> set[str]:
    done = subprocess.run(
        [sys.executable, "-I", "-c", RUNNER, *words], capture_output=True, text=True, timeout=60, check=True
    )
    code, names = json.loads(done.stderr.splitlines()[-1])
    assert code == 0, done.stderr
    return set(names)


@pytest.mark.parametrize(
    "words",
    [
        ("--help",),
        ("--version",),
        ("ps", "--json"),
        ("ls",),
        ("status",),
        ("show", "smollm2"),
        ("load", "smollm2", "--ttl", "10m"),
        ("unload", "smollm2"),
        ("pin", "smollm2"),
        ("unpin", "smollm2"),
        ("requests",),
        ("cancel", "req_1"),
        ("cache", "explain"),
        ("key", "ls"),
    ],
)
def test_a_light_command_imports_nothing_heavy(daemon: StandIn, words: tuple[str, ...]) -> None:
    daemon.says("GET", routes.MODELS, reply(ModelsReply(models=(MODEL,))))
    daemon.says("POST", routes.SHOW, reply(ModelDetail(model=MODEL)))
    daemon.says("POST", routes.LOAD, reply(ROW))
    daemon.says("POST", routes.PIN, reply(ROW))
    daemon.says("POST", routes.UNLOAD, reply(Done()))
    daemon.says("POST", routes.UNPIN, reply(Done()))
    daemon.says("GET", routes.REQUESTS, reply(RequestsReply()))
    daemon.says("DELETE", f"{routes.REQUESTS}/req_1", reply(Done()))
    daemon.says("GET", f"{routes.CACHE_EXPLAIN}?id=", reply(ExplainReply()))
    assert not imported_by(*words) & HEAVY


@pytest.mark.parametrize(
    "words",
    [("env", "claude"), ("launch", "codex", "--print-env"), ("key", "create", "laptop"), ("key", "rm", "old")],
)
def test_what_needs_the_settings_reads_toml_and_no_more(
    daemon: StandIn, paths: Paths, words: tuple[str, ...], monkeypatch: pytest.MonkeyPatch
) -> None:
    secret, _ = keys.create(paths.keys, "old", "inference", "normal", shares_cache=False)
    monkeypatch.setenv("OMLX_API_KEY", secret)
    daemon.says("POST", routes.SHOW, reply(ModelDetail(model=MODEL)))
    assert imported_by(*words) & HEAVY == {"tomllib"}


@pytest.mark.parametrize("words", [("--help",), ("--version",)])
def test_help_imports_click_alone(words: tuple[str, ...]) -> None:
    assert not imported_by(*words) & (HEAVY | {"msgspec", "httptools", "pathlib"})


def test_help_imports_no_command() -> None:
    code = (
        "import sys; from omlx_cli import cli; cli.main(['--help']);"
        "print([name for name in sys.modules if name.startswith('omlx_cli.commands.')], file=sys.stderr)"
    )
    done = subprocess.run([sys.executable, "-I", "-c", code], capture_output=True, text=True, timeout=60, check=True)
    assert done.stderr == "[]\n"


def test_bare_ps_imports_next_to_nothing(daemon: StandIn) -> None:
    bare = subprocess.run(
        [sys.executable, "-I", "-c", "import sys; sys.stderr.write(' '.join(sys.modules))"],
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
    )
    before = {name.partition(".")[0] for name in bare.stderr.split()}
    # The runner itself imports json, and with it re and enum, after `main` has returned.
    own = {"json", "re", "enum", "types", "operator", "keyword", "reprlib", "collections", "itertools", "functools"}
    added = imported_by("ps") - before - own
    assert not added & (HEAVY | {"click", "msgspec", "httptools", "pathlib", "socket", "threading", "hashlib"})
    assert {"omlx_cli", "_socket"} <= added


def test_ps_prints_the_daemons_own_table(daemon: StandIn) -> None:
    for words in (("ps",), ("ps", "-q")):
        ran = omlx_process(*words)
        assert (ran.code, ran.out, ran.err) == (0, PS_TABLE, "")
    straight, ordinary = (seen for seen in daemon.seen if seen.path == routes.PS)
    assert straight.headers["Accept"] == ordinary.headers["Accept"] == "text/plain"
    assert [seen.path for seen in daemon.seen] == [routes.PS, routes.HEALTH, routes.PS]


def test_ps_prints_a_table_of_any_length(daemon: StandIn) -> None:
    table = "NAME\n" + "modèle\n" * 50_000
    daemon.says("GET", routes.PS, Canned(table.encode(), content_type="text/plain; charset=utf-8"))
    assert omlx_process("ps").out == table


def test_an_odd_answer_goes_the_ordinary_way(daemon: StandIn) -> None:
    daemon.says("GET", routes.PS, refusal(Code.SHUTTING_DOWN, "it is stopping", status=503))
    ran = omlx_process("ps")
    assert (ran.code, ran.out, ran.err) == (4, "", "error: it is stopping\n")
    assert [seen.path for seen in daemon.seen] == [routes.PS, routes.HEALTH, routes.PS]


def test_a_daemon_of_another_version_goes_the_ordinary_way(daemon: StandIn) -> None:
    info = daemon.socket.parent / "daemon.json"
    for text, asked in (('{"version": "0.0.1"}', 2), (f'{{"version": "{daemon.version}"}}', 1), ("not json", 2)):
        info.write_text(text)
        daemon.seen.clear()
        assert omlx_process("ps").out == PS_TABLE
        assert len(daemon.seen) == asked


def test_ps_in_a_home_with_a_long_path(tmp_path: Path) -> None:
    home = tmp_path / ("long" * 30)
    socket = Path(sockets.socket_path(str(home)))
    assert not str(socket).startswith(str(tmp_path))
    try:
        with serving(StandIn(socket)):
            assert omlx_process("ps", OMLX_HOME=str(home)).out == PS_TABLE
    finally:
        socket.parent.rmdir()
