"""`config.toml` is read strictly, and its errors say where."""

from __future__ import annotations

from pathlib import Path

import pytest

from omlx_cli.contract import settings
from omlx_cli.contract.errors import Code, Exit, OmlxError


def refusal(text: str) -> str:
    with pytest.raises(OmlxError) as caught:
        settings.parse(text, "config.toml")
    assert caught.value.code is Code.INVALID_CONFIG
    assert caught.value.meaning.exit is Exit.USAGE
    return str(caught.value)


def test_a_missing_file_means_the_defaults(tmp_path: Path) -> None:
    assert settings.load(tmp_path / "config.toml") == settings.Settings()


def test_values_are_read() -> None:
    found = settings.parse('[server]\nport = 0\n[model]\nttl = "never"\n', "config.toml")
    assert found.server.port == 0
    assert found.model.ttl == "never"
    assert found.memory == settings.MemorySettings()


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("[server]\nprot = 1\n", "prot"),
        ("[sever]\n", "sever"),
        ("[server]\nport = 70000\n", "server.port"),
        ('[server]\nport = "8000"\n', "server.port"),
        ('[model]\nttl = "10"\n', "model.ttl"),
        ('[memory]\nlimit = "120%"\n', "memory.limit"),
        ('[daemon]\nlog_level = "loud"\n', "loud"),
        ("[scheduler]\nmax_running = 0\n", "scheduler.max_running"),
        ('[models."a.b"]\ntemperature = 9\n', 'models."a.b".temperature: Expected `float` <= 2.0'),
        ("[models.m]\ntop = 1\n", 'models."m": Object contains unknown field `top`'),
        ('[models.m]\nttl = "10"\n', "models.\"m\".ttl: '10' is not a duration"),
        ('[models.m]\naliases = ["x"]\n[models.n]\naliases = ["X"]\n', "models.\"n\".aliases: 'X' means m already"),
        ('[models.m]\naliases = ["N"]\n[models.n]\n', "models.\"m\".aliases: 'N' means n already"),
        ('[[server.keys]]\nname = "a"\n', "server.keys[0]"),
        ('[[server.keys]]\nname = "a"\nkey = "k"\npriority = "high"\n', "server.keys[0].priority"),
        ('[server]\napi_key = "k"\n[[server.keys]]\nname = "a"\nkey = "k"\n', "server.keys: 'a'"),
        ('[health]\nstuck_after = "0"\n', "health.stuck_after: '0' is under 1s"),
        ('[health]\nrestart_after = "10s"\n', "health.restart_after: '10s' is before health.stuck_after"),
        ('[health]\nrestart_after = "10"\n', "health.restart_after: '10' is not a duration"),
        ("not toml", "config.toml"),
    ],
)
def test_errors_name_the_key(text: str, said: str) -> None:
    assert said in refusal(text)


def test_a_file_that_is_no_text_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "config.toml"
    path.write_bytes(b"\xff\xfe")
    with pytest.raises(OmlxError, match=r"config\.toml"):
        settings.load(path)
