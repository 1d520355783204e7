"""config get, set, path."""

from __future__ import annotations

import json
import os
import tempfile
from unittest.mock import Mock

import pytest

from omlx_cli.contract import routes
from omlx_cli.contract.api import ReloadReply
from omlx_cli.contract.errors import Code
from omlx_cli.contract.paths import Paths
from tests.cli.conftest import Omlx
from tests.cli.stand_in import StandIn, refusal, reply


def test_get_lists_every_setting_with_its_default(omlx: Omlx) -> None:
    ran = omlx("config", "get")
    lines = ran.out.splitlines()
    assert (ran.code, ran.err) == (0, "")
    assert lines[0] == 'server.host = "127.0.0.1"'
    assert "server.port = 8000" in lines
    assert "server.allowed_hosts = []" in lines
    assert 'model.ttl = "10m"' in lines
    document = json.loads(omlx("config", "get", "--json").out)
    assert document["config"]["server.port"] == 8000
    assert len(document["config"]) == len(lines)


def test_set_and_get_round_trip(omlx: Omlx, paths: Paths) -> None:
    for key, value, kept in (
        ("server.port", "9000", "port = 9000"),
        ("model.ttl", "1h30m", 'ttl = "1h30m"'),
        ("server.allowed_hosts", "a.example, b.example", 'allowed_hosts = ["a.example", "b.example"]'),
        ("server.api_key", "1234", 'api_key = "1234"'),
        ("cache.fsync", "true", "fsync = true"),
        ("models.org/name-0.6B.kv_store_bits", "4", "kv_store_bits = 4"),
        ("model.default", "org/größe", 'default = "org/größe"'),
    ):
        ran = omlx("config", "set", key, value)
        assert (ran.code, ran.out, ran.err) == (0, "", "")
        assert kept in paths.config.read_text().splitlines()
        assert omlx("config", "get", key).out == f"{value.replace(', ', ',')}\n"
    assert paths.config.stat().st_mode & 0o777 == 0o600
    assert json.loads(omlx("config", "get", "server.port", "--json").out)["config"] == {"server.port": 9000}
    assert list(paths.home.glob(".config-*")) == []


def test_set_keeps_comments_and_everything_else(omlx: Omlx, paths: Paths) -> None:
    before = '# mine\n[server]\nport = 1 # why\n\n[model]\nttl = "5m"\n'
    paths.config.write_text(before)
    assert omlx("config", "set", "server.port", "2").code == 0
    assert paths.config.read_text() == before.replace("port = 1", "port = 2")


def test_set_through_a_symbolic_link_keeps_the_link(omlx: Omlx, paths: Paths) -> None:
    real = paths.home.parent / "dotfiles.toml"
    real.write_text("[server]\nport = 1\n")
    paths.config.symlink_to(real)
    assert omlx("config", "set", "server.port", "2").code == 0
    assert paths.config.is_symlink()
    assert real.read_text() == "[server]\nport = 2\n"


def test_set_puts_no_file_in_the_place_of_a_device(omlx: Omlx, paths: Paths, monkeypatch: pytest.MonkeyPatch) -> None:
    paths.config.symlink_to(os.devnull)
    # Whatever happens: this machine's own device is not written over.
    monkeypatch.setattr(tempfile, "NamedTemporaryFile", Mock(side_effect=AssertionError("nothing is to be written")))
    ran = omlx("config", "set", "server.port", "2")
    assert (ran.code, ran.out) == (1, "")
    assert ran.err == f"error: {paths.config}: it is a device, whose place no file takes\n"


def test_set_tells_the_running_daemon_and_what_is_not_in_use_yet(omlx: Omlx, daemon: StandIn) -> None:
    told = ReloadReply(applied=("model.ttl",), next_load=("model.context_limit",), restart=("server.port",))
    daemon.says("POST", routes.RELOAD, reply(told))
    lines = omlx("config", "set", "server.port", "9000").err.splitlines()
    assert lines == [
        "model.context_limit  takes effect when a model is loaded the next time",
        "server.port  needs  omlx restart",
    ]
    assert omlx("config", "set", "server.port", "9000", "-q").err == ""
    assert len(daemon.asked(routes.RELOAD)) == 2


def test_set_warns_where_the_daemon_refuses(omlx: Omlx, paths: Paths, daemon: StandIn) -> None:
    daemon.says("POST", routes.RELOAD, refusal(Code.INVALID_CONFIG, "server.host is open", "set a key"))
    ran = omlx("config", "set", "model.ttl", "1h")
    assert (ran.code, ran.err) == (0, "warning: the running daemon does not use it yet: server.host is open\n")
    assert 'ttl = "1h"' in paths.config.read_text()


def test_reload_says_what_is_in_use(omlx: Omlx, daemon: StandIn) -> None:
    told = ReloadReply(applied=("model.ttl",), next_load=('models."m".kv_store_bits',), restart=("cache.dir",))
    daemon.says("POST", routes.RELOAD, reply(told), reply(told), reply(ReloadReply()))
    assert omlx("config", "reload").out.splitlines() == [
        "model.ttl  is in use",
        'models."m".kv_store_bits  takes effect when a model is loaded the next time',
        "cache.dir  needs  omlx restart",
    ]
    assert json.loads(omlx("config", "reload", "--json").out)["restart"] == ["cache.dir"]
    assert omlx("config", "reload").out == "nothing has changed\n"


def test_reload_without_a_daemon_and_with_a_broken_file(omlx: Omlx, daemon: StandIn) -> None:
    daemon.says("POST", routes.RELOAD, refusal(Code.INVALID_CONFIG, "config.toml: model.ttl: '10' is not a duration"))
    ran = omlx("config", "reload")
    assert (ran.code, ran.err) == (2, "error: config.toml: model.ttl: '10' is not a duration\n")


def test_reload_needs_a_daemon(omlx: Omlx) -> None:
    assert omlx("config", "reload").code == 4


@pytest.mark.parametrize(
    ("key", "value", "message"),
    [
        ("server.prt", "1", "there is no setting 'server.prt'"),
        ("port", "1", "there is no setting 'port'"),
        ("server.port", "many", "server.port: expected `int`, got `str`"),
        ("server.port", "70000", "server.port: expected `int` <= 65535"),
        ("server.port", "-1", "server.port: expected `int` >= 0"),
        ("model.ttl", "10", "{path}: model.ttl: '10' is not a duration"),
        ("memory.limit", "120%", "{path}: memory.limit: '120%' is over 100 %"),
        ("daemon.log_level", "loud", "{path}: daemon.log_level: 'loud' is none of debug, info, warning, error"),
    ],
)
def test_a_value_that_does_not_fit_changes_nothing(
    omlx: Omlx, paths: Paths, key: str, value: str, message: str
) -> None:
    paths.config.write_text("# untouched\n")
    ran = omlx("config", "set", "--", key, value)
    assert (ran.code, ran.out) == (2, "")
    assert ran.err.startswith(f"error: {message.format(path=paths.config)}")
    assert paths.config.read_text() == "# untouched\n"


def test_an_unknown_key_is_refused_with_the_nearest(omlx: Omlx) -> None:
    ran = omlx("config", "get", "server.prot")
    assert ran.code == 2
    assert ran.err == "error: there is no setting 'server.prot'\nhint: did you mean server.port or server.host?\n"


def test_a_wrong_value_can_be_mended_by_set(omlx: Omlx, paths: Paths) -> None:
    paths.config.write_text('[model]\nttl = "10"\n')
    assert omlx("config", "get").code == 2
    assert omlx("config", "set", "model.ttl", "10m").code == 0
    assert omlx("config", "get", "model.ttl").out == "10m\n"


def test_broken_toml_is_told_with_its_place(omlx: Omlx, paths: Paths) -> None:
    for broken in ("[server\n", "= 1\n"):
        paths.config.write_text(broken)
        for words in (("get",), ("set", "server.port", "1")):
            ran = omlx("config", *words)
            assert ran.code == 2
            assert ran.err.startswith(f"error: {paths.config}: ")
        assert paths.config.read_text() == broken


def test_a_section_that_is_no_table(omlx: Omlx, paths: Paths) -> None:
    paths.config.write_text("server = 1\n")
    ran = omlx("config", "set", "server.port", "1")
    assert ran.code == 2
    assert ran.err.startswith(f"error: {paths.config}: ")


def test_the_api_key_shows_only_when_asked_for_by_name(omlx: Omlx, paths: Paths) -> None:
    assert omlx("config", "set", "server.api_key", "sekrit").out == ""
    assert "sekrit" not in omlx("config", "get").out
    assert "sekrit" not in omlx("config", "get", "--json").out
    assert omlx("config", "get", "server.api_key").out == "sekrit\n"


def test_path(omlx: Omlx, paths: Paths) -> None:
    assert omlx("config", "path").out == f"{paths.config}\n"


def test_a_home_that_cannot_be_written_is_one_line(omlx: Omlx, paths: Paths) -> None:
    paths.home.rename(paths.home.with_name("moved"))
    paths.home.write_text("a file in its place")
    ran = omlx("config", "set", "server.port", "1")
    assert ran.code in (1, 2)
    assert ran.err.startswith("error: ")
    assert "Traceback" not in ran.err
