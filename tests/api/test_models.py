"""The models, as OpenAI lists them."""

from __future__ import annotations

import msgspec

from omlx_cli.contract.api import Capabilities, ModelInfo
from omlx_daemon.api.openai.models import model_reply
from tests.api.serving import Served


def test_only_models_that_can_be_loaded_are_listed(served: Served) -> None:
    reply = served.ask("GET", "/v1/models").json
    assert reply["object"] == "list"
    assert [entry["id"] for entry in reply["data"]] == ["sky", "org/sky"]
    assert reply["data"][0] == {
        "id": "sky",
        "object": "model",
        "created": 1767323045,
        "owned_by": "omlx",
        "capabilities": {"tools": False, "reasoning": False, "vision": False, "json_schema": False},
    }


def test_the_context_and_what_a_model_can_do_are_told() -> None:
    able = Capabilities(tools=True, reasoning=True, json_schema=True)
    info = ModelInfo(name="m", source="omlx", path="", size_bytes=1, context_tokens=4096, capabilities=able)
    reply = msgspec.to_builtins(model_reply(info))
    assert reply["context_length"] == reply["max_model_len"] == 4096
    assert reply["capabilities"] == {"tools": True, "reasoning": True, "vision": False, "json_schema": True}


def test_a_name_with_slashes(served: Served) -> None:
    assert served.ask("GET", "/v1/models/org/sky").json["id"] == "org/sky"
    assert served.ask("GET", "/v1/models/org%2Fsky").json["id"] == "org/sky"


def test_an_unknown_name(served: Served) -> None:
    answer = served.ask("GET", "/v1/models/org/skies")
    assert answer.status == 404
    assert answer.json["error"]["code"] == "model_not_found"
    assert "org/sky" in answer.json["error"]["message"]
