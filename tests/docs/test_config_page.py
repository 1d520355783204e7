"""docs/config.md is complete and true."""

from __future__ import annotations

import re
from pathlib import Path

import msgspec

from omlx_cli.contract.settings import Settings

PAGE = Path(__file__).parents[2] / "docs" / "config.md"


def test_every_key_stands_on_the_page_with_its_default() -> None:
    rows = re.findall(r"^\| `([a-z_]+\.[a-z_]+)` \| (?:`(.*?)`)? ?\|", PAGE.read_text(), re.MULTILINE)
    sections = msgspec.to_builtins(Settings())
    del sections["models"]
    values = {f"{section}.{key}": value for section, keys in sections.items() for key, value in keys.items()}
    assert dict(rows) == {key: shown(value) for key, value in values.items()}


def shown(value: object) -> str:
    if isinstance(value, bool):
        return str(value).lower()
    return "[]" if value == () else str(value)
