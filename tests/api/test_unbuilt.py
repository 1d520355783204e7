"""Routes without an engine say so with 501."""

from __future__ import annotations

import openai
import pytest

from omlx_cli.contract import routes
from tests.api.serving import Served


@pytest.mark.parametrize("path", [routes.EMBEDDINGS, routes.RERANK, routes.RERANK_PLAIN, routes.RESPONSE_COMPACT])
@pytest.mark.parametrize("body", [None, {"model": "sky", "input": "x"}, [1]])
def test_a_clear_501(served: Served, path: str, body: object) -> None:
    answer = served.ask("POST", path, body)
    assert answer.status == 501
    assert "not supported yet" in answer.json["error"]["message"]
    assert answer.json["error"]["code"] == "unsupported"
    assert answer.headers["x-should-retry"] == "false"


def test_the_sdk_tells_it(served: Served) -> None:
    with (
        openai.OpenAI(base_url=f"{served.url}/v1", api_key="none") as sdk,
        pytest.raises(openai.InternalServerError, match="embeddings are not supported yet"),
    ):
        sdk.embeddings.create(model="sky", input="x")


def test_the_sdk_tells_that_nothing_is_compacted(served: Served) -> None:
    with (
        openai.OpenAI(base_url=f"{served.url}/v1", api_key="none") as sdk,
        pytest.raises(openai.InternalServerError, match="compaction of a conversation is not supported yet"),
    ):
        sdk.responses.compact(model="sky", input="x")
