"""What a reload does with each key, without a daemon around it."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator

import msgspec
import pytest

from omlx_cli.contract import settings
from omlx_cli.contract.errors import Code, OmlxError
from omlx_cli.contract.model_options import ModelOptions
from omlx_cli.contract.settings import Settings
from omlx_daemon.configuration import AT_ONCE, NEXT_LOAD, OPTIONS_NEXT_LOAD, LiveSettings, describe

OPTIONS = {"ttl", "aliases", "pin", "temperature", "chat_template_kwargs"}


def live(*texts: str) -> LiveSettings:
    """Return settings that are read from these texts, one after the other."""
    reads: Iterator[str] = iter(texts)
    return LiveSettings(lambda: settings.parse(next(reads), "config.toml"))


def keys() -> set[str]:
    sections = msgspec.to_builtins(Settings())
    return {f"{section}.{key}" for section, found in sections.items() if section != "models" for key in found}


def test_every_key_that_applies_without_a_restart_exists() -> None:
    assert keys() >= AT_ONCE | NEXT_LOAD
    assert not AT_ONCE & NEXT_LOAD
    assert set(ModelOptions.__struct_fields__) >= OPTIONS | OPTIONS_NEXT_LOAD


def test_followers_learn_of_what_was_read_and_every_check_comes_first() -> None:
    made = live("", '[model]\nttl = "1h"\n', '[model]\nttl = "2h"\n')
    seen: list[str] = []

    def check(found: Settings) -> None:
        if found.model.ttl == "2h":
            raise OmlxError(Code.INVALID_CONFIG, "not 2h")

    made.follow(lambda found: seen.append(found.model.ttl), check)
    made.follow(lambda found: seen.append(made.current.model.ttl))
    assert asyncio.run(made.reload()).applied == ("model.ttl",)
    with pytest.raises(OmlxError, match="not 2h"):
        asyncio.run(made.reload())
    assert seen == ["1h", "1h"]
    assert made.current.model.ttl == "1h"


def test_a_file_that_cannot_be_read_changes_nothing() -> None:
    made = live('[model]\nttl = "1h"\n', "[model]\nttl = 1\n")
    with pytest.raises(OmlxError) as refusal:
        asyncio.run(made.reload())
    assert refusal.value.code is Code.INVALID_CONFIG
    assert made.current.model.ttl == "1h"


def test_what_waits_for_a_restart_is_named_until_it_is_as_it_was() -> None:
    made = live("", "[server]\nport = 1\n", "[server]\nport = 1\n[cache]\nfsync = true\n", "")
    told = [asyncio.run(made.reload()) for _ in range(3)]
    assert [reply.restart for reply in told] == [("server.port",), ("server.port", "cache.fsync"), ()]
    assert describe(told[0]) == "at the next start of the daemon: server.port"
    assert describe(told[2]) == "nothing has changed"


def test_a_models_table_that_goes_is_a_change_too() -> None:
    made = live('[models."a.b"]\nttl = "1h"\nkv_store_bits = 8\n', "")
    reply = asyncio.run(made.reload())
    assert (reply.applied, reply.next_load) == (('models."a.b".ttl',), ('models."a.b".kv_store_bits',))
