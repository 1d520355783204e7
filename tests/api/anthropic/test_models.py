"""The models as Anthropic's clients list them, on the route that OpenAI's clients ask too."""

from __future__ import annotations

import msgspec
import pytest

from omlx_cli.contract.errors import Code, OmlxError
from omlx_daemon.api.anthropic.models import model_page
from tests.api.ports import model
from tests.api.serving import Served

ANTHROPIC = {"anthropic-version": "2023-06-01"}
MODELS = [model(name) for name in "abcde"]


def test_the_header_decides_the_dialect(served: Served) -> None:
    assert served.ask("GET", "/v1/models").json["object"] == "list"
    reply = served.ask("GET", "/v1/models", headers=ANTHROPIC).json
    assert [row["id"] for row in reply["data"]] == ["sky", "org/sky"]
    assert {key: reply[key] for key in ("has_more", "first_id", "last_id")} == {
        "has_more": False,
        "first_id": "sky",
        "last_id": "org/sky",
    }
    assert reply["data"][0] == {
        "type": "model",
        "id": "sky",
        "display_name": "sky",
        "created_at": "2026-01-02T03:04:05Z",
        "max_input_tokens": None,
        "max_tokens": None,
        "lifecycle": "active",
    }


def test_one_model(served: Served) -> None:
    assert served.ask("GET", "/v1/models/org/sky", headers=ANTHROPIC).json["type"] == "model"
    assert served.ask("GET", "/v1/models/org/sky").json["object"] == "model"
    missing = served.ask("GET", "/v1/models/skies", headers=ANTHROPIC)
    assert (missing.status, missing.json["error"]["type"]) == (404, "not_found_error")


def pages(limit: int) -> list[list[str]]:
    """Return the ids of every page, forwards."""
    found: list[list[str]] = []
    after, more = "", True
    while more:
        page = model_page(MODELS, limit=limit, after_id=after, before_id="")
        found.append([row.id for row in page.data])
        after, more = page.last_id or "", page.has_more
    return found


def test_pages() -> None:
    assert pages(2) == [["a", "b"], ["c", "d"], ["e"]]
    assert pages(5) == [["a", "b", "c", "d", "e"]]
    back = model_page(MODELS, limit=2, after_id="", before_id="d")
    assert ([row.id for row in back.data], back.has_more) == (["b", "c"], True)
    first = model_page(MODELS, limit=2, after_id="", before_id="c")
    assert ([row.id for row in first.data], first.has_more) == (["a", "b"], False)


def test_no_models_are_an_empty_page() -> None:
    page = model_page([], limit=20, after_id="", before_id="")
    assert (page.data, page.has_more, page.first_id, page.last_id) == ([], False, None, None)


@pytest.mark.parametrize(
    ("limit", "after", "before", "param"),
    [(0, "", "", "limit"), (1001, "", "", "limit"), (5, "a", "b", "before_id"), (5, "x", "", "after_id")],
)
def test_what_makes_no_page(limit: int, after: str, before: str, param: str) -> None:
    with pytest.raises(OmlxError) as caught:
        model_page(MODELS, limit=limit, after_id=after, before_id=before)
    assert (caught.value.code, caught.value.body.param) == (Code.INVALID_REQUEST, param)


def test_a_context_that_is_known_is_told() -> None:
    known = msgspec.structs.replace(model("a"), context_tokens=8192)
    page = model_page([known], limit=1, after_id="", before_id="")
    assert page.data[0].max_input_tokens == 8192
