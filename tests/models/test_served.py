"""Which model answers to a name, Claude's own names included."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from omlx_cli.contract.errors import Code, OmlxError
from omlx_cli.contract.paths import Paths
from omlx_cli.contract.settings import Settings, parse
from omlx_daemon.core.models import Served
from omlx_daemon.core.options import Options
from omlx_daemon.models.registry import Registry
from omlx_daemon.models.served import ServedNames
from tests.models.folders import write_model

CONTEXT_TOKENS = 2048
"""Of every model written here."""


@pytest.fixture
def here(paths: Paths) -> Paths:
    for name in ("big", "small"):
        write_model(paths.models / name)
    return paths


def served(paths: Paths, name: str, config: str = "") -> Served:
    """Return what answers to `name` under the settings in `config`."""
    settings: Settings = parse(config, "config.toml")
    options = Options(settings.models)
    registry = Registry(paths, settings, options)
    registry.scan()
    return asyncio.run(ServedNames(registry, options, lambda: settings).served(name))


def refusal(*arguments: Any) -> OmlxError:
    with pytest.raises(OmlxError) as caught:
        served(*arguments)
    assert caught.value.code is Code.MODEL_NOT_FOUND
    return caught.value


@pytest.mark.parametrize(
    ("asked", "answers"),
    [
        ("claude-haiku-4-5-20251001", "small"),
        ("claude-3-5-haiku-latest", "small"),
        ("Claude-Haiku-9", "small"),
        ("claude-opus-4-5", "big"),
        ("claude-sonnet-4-5", "big"),
        ("claude-fable-5", "big"),
        ("small", "small"),
        ("big", "big"),
    ],
)
def test_tiers_have_their_models_and_others_the_default(here: Paths, asked: str, answers: str) -> None:
    config = '[anthropic]\nhaiku = "small"\nopus = "big"\ndefault = "big"\n'
    assert served(here, asked, config).name == answers


def test_an_alias_outranks_the_tiers(here: Paths) -> None:
    config = '[anthropic]\ndefault = "big"\n[models."small"]\naliases = ["claude-opus-4-5"]\n'
    assert served(here, "claude-opus-4-5", config).name == "claude-opus-4-5"
    assert served(here, "claude-opus-4-6", config).name == "big"


def test_a_model_of_that_name_outranks_them_too(here: Paths) -> None:
    write_model(here.models / "claude-at-home")
    assert served(here, "claude-at-home", '[anthropic]\ndefault = "big"\n').name == "claude-at-home"


def test_a_name_that_nobody_answers_to_is_refused_with_what_to_do(here: Paths) -> None:
    error = refusal(here, "claude-haiku-4-5")
    assert "claude-haiku-4-5" in str(error)
    assert "omlx config set anthropic.default" in error.body.hint
    assert "anthropic" not in refusal(here, "smal").body.hint


def test_a_model_that_is_set_and_missing_is_named(here: Paths) -> None:
    error = refusal(here, "claude-haiku-4-5", '[anthropic]\nhaiku = "gone"\n')
    assert ("'gone'" in str(error), error.body.hint) == (True, "omlx pull gone  fetches it")


@pytest.mark.parametrize(
    ("config", "context_tokens", "window_tokens"),
    [
        ("", CONTEXT_TOKENS, 0),
        ("[anthropic]\nclient_window = 200000\n", CONTEXT_TOKENS, 200_000),
        ("[anthropic]\nclient_window = 200000\n[model]\ncontext_limit = 1024\n", 1024, 200_000),
        ('[models."small"]\nclient_window = 9000\ncontext_limit = 512\n', 512, 9000),
        ('[anthropic]\nclient_window = 200000\n[models."small"]\nclient_window = 0\n', CONTEXT_TOKENS, 0),
        ("[model]\ncontext_limit = 999999\n", CONTEXT_TOKENS, 0),
    ],
)
def test_the_windows_of_model_and_client(here: Paths, config: str, context_tokens: int, window_tokens: int) -> None:
    expected = Served(name="small", context_tokens=context_tokens, client_window_tokens=window_tokens)
    assert served(here, "small", config) == expected


def test_a_model_whose_context_is_not_known(paths: Paths) -> None:
    write_model(paths.models / "odd", max_position_embeddings=None)
    assert served(paths, "odd").context_tokens == 0


def test_a_model_that_came_meanwhile_answers(here: Paths) -> None:
    settings, options = Settings(), Options({})
    names = ServedNames(Registry(here, settings, options), options, lambda: settings)
    write_model(here.models / "late")
    assert asyncio.run(names.served("late")).name == "late"
