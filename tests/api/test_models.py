"""The models, as OpenAI lists them."""

from __future__ import annotations

from tests.api.serving import Served


def test_only_models_that_can_be_loaded_are_listed(served: Served) -> None:
    reply = served.ask("GET", "/v1/models").json
    assert reply["object"] == "list"
    assert [entry["id"] for entry in reply["data"]] == ["sky", "org/sky"]
    assert reply["data"][0] == {"id": "sky", "object": "model", "created": 1767323045, "owned_by": "omlx"}


def test_a_name_with_slashes(served: Served) -> None:
    assert served.ask("GET", "/v1/models/org/sky").json["id"] == "org/sky"
    assert served.ask("GET", "/v1/models/org%2Fsky").json["id"] == "org/sky"


def test_an_unknown_name(served: Served) -> None:
    answer = served.ask("GET", "/v1/models/org/skies")
    assert answer.status == 404
    assert answer.json["error"]["code"] == "model_not_found"
    assert "org/sky" in answer.json["error"]["message"]
