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
