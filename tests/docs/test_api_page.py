"""docs/api.md names every route, and every field that is refused."""

from __future__ import annotations

from pathlib import Path

import pytest

from omlx_cli.contract import routes
from omlx_daemon.api.extras import FOREIGN
from omlx_daemon.api.openai.schema import NOT_SUPPORTED_YET
from omlx_daemon.api.responses.schema import NOT_SUPPORTED
from omlx_daemon.api.responses.store import MAX_BYTES, MAX_RESPONSES

PAGE = (Path(__file__).parents[2] / "docs" / "api.md").read_text()


@pytest.mark.parametrize("path", [path for path in vars(routes).values() if str(path).startswith(("/v1/", "/health"))])
def test_every_route_of_clients_is_on_the_page(path: str) -> None:
    assert f" {path}`" in PAGE or f"`{path}`" in PAGE


def test_every_field_that_is_refused_is_on_the_page() -> None:
    named = (NOT_SUPPORTED_YET | NOT_SUPPORTED) - FOREIGN
    assert [name for name in sorted(named) if f"`{name}`" not in PAGE] == []


def test_the_bounds_of_what_is_kept() -> None:
    assert f"The last {MAX_RESPONSES:,} responses are kept, {MAX_BYTES >> 20} MiB at most" in PAGE
