"""Settings of one model, whose name may hold dots and colons."""

from __future__ import annotations

from pathlib import Path

import pytest

from omlx_cli import configuration
from omlx_cli.contract import settings
from omlx_cli.contract.errors import OmlxError


@pytest.mark.parametrize("model", ["smollm2:135m", "org/Name-1.5B"])
def test_a_model_has_settings_of_its_own(tmp_path: Path, model: str) -> None:
    path = tmp_path / "config.toml"
    path.write_text("# mine\n[model]\nttl = '1h'\n")
    configuration.change(path, f"models.{model}.kv_store_bits", "8")
    found = settings.load(path)
    assert found.models[model].kv_store_bits == 8
    assert configuration.flatten(found)[f"models.{model}.kv_store_bits"] == 8
    assert path.read_text().startswith("# mine\n")


def test_a_value_out_of_range_leaves_the_file_alone(tmp_path: Path) -> None:
    path = tmp_path / "config.toml"
    with pytest.raises(OmlxError, match="kv_store_bits"):
        configuration.change(path, "models.m.kv_store_bits", "5")
    assert not path.exists()


@pytest.mark.parametrize(
    ("option", "text", "value"),
    [
        ("ttl", "1h", "1h"),
        ("pin", "true", True),
        ("aliases", "fast, quick:1b", ["fast", "quick:1b"]),
        ("aliases", "fast", ["fast"]),
        ("context_limit", "4096", 4096),
        ("temperature", "0.25", 0.25),
        ("temperature", "0", 0),
        ("top_k", "20", 20),
        ("presence_penalty", "-1.5", -1.5),
        ("max_tokens", "100", 100),
        ("chat_template_kwargs.enable_thinking", "false", False),
        ("chat_template_kwargs.budget", "2.5", 2.5),
        ("chat_template_kwargs.effort", "high", "high"),
    ],
)
def test_every_option_is_set_and_got_as_its_own_type(tmp_path: Path, option: str, text: str, value: object) -> None:
    path = tmp_path / "config.toml"
    key = f"models.org/Name-1.5B.{option}"
    configuration.change(path, key, text)
    found = configuration.flatten(settings.load(path))[key]
    assert (found, type(found)) == (value, type(value) if option != "temperature" else float)


@pytest.mark.parametrize(
    ("option", "text", "said"),
    [
        ("ttl", "10", "'10' is not a duration"),
        ("temperature", "3", "<= 2.0"),
        ("max_tokens", "0", ">= 1"),
        ("repetition_penalty", "0", "> 0.0"),
        ("aliases", "two words", "'two words' is no name"),
        ("chat_template_kwargs.messages", "1", "'messages' cannot be set"),
        ("tll", "1h", "there is no setting"),
    ],
)
def test_a_bad_option_is_refused_with_its_reason(tmp_path: Path, option: str, text: str, said: str) -> None:
    path = tmp_path / "config.toml"
    with pytest.raises(OmlxError) as refusal:
        configuration.change(path, f"models.m.{option}", text)
    assert said in str(refusal.value)
    assert option.partition(".")[0] in str(refusal.value)
    assert not path.exists()
