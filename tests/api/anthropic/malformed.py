"""Requests that are wrong, each in one way."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

from omlx_cli.contract import routes
from tests.api.malformed import BODIES

ASK = '"model":"sky","max_tokens":9,"messages":[{"role":"user","content":"hi"}]'
TOOL = '{"name":"f","input_schema":{}}'

_NO_NUMBER = ['"1"', "true", "[]", "{}", '"NaN"']
_NO_BOOL = ['"true"', "0", "1", "[]", "{}"]
_NO_TEXT = ["1", "true", "[]", "{}"]

_PLAIN = '{"type":"text","media_type":"text/plain","data":"x"}'


def _document(source: str, more: str = '"title":"x"') -> str:
    """Return a turn that is a document."""
    return f'{{"role":"user","content":[{{"type":"document","source":{source},{more}}}]}}'


SHARED: dict[str, list[str]] = {
    "model": [*_NO_TEXT, "null", '""', '"' + "x" * 513 + '"'],
    "messages": ['"x"', "1", "true", "{}", "null", "[]", "[1]", '["x"]', "[null]", "[{}]", "[[]]"],
    "system": [
        "1",
        "true",
        "{}",
        "[1]",
        '["x"]',
        '[{"type":"image","source":{}}]',
        '[{"type":"text"}]',
        '[{"text":"x"}]',
        "[{}]",
    ],
    "tools": [
        '"x"',
        "{}",
        "[1]",
        "[{}]",
        '[{"name":""}]',
        '[{"name":"f","input_schema":"x"}]',
        '[{"name":"f","description":1}]',
        '[{"name":"f","type":"bash_20250124"}]',
        '[{"name":"f","strict":"yes"}]',
        f"[{TOOL},{TOOL}]",
    ],
    "tool_choice": [
        '"auto"',
        "{}",
        '{"type":"required"}',
        '{"type":"tool"}',
        '{"type":"any"}',
        '{"type":"tool","name":"g"}',
        '{"type":"auto","disable_parallel_tool_use":1}',
    ],
    "thinking": [
        '"on"',
        "true",
        "{}",
        '{"type":"between_tools"}',
        '{"type":"enabled","budget_tokens":0}',
        '{"type":"enabled","budget_tokens":"x"}',
        '{"type":"adaptive","display":"all"}',
    ],
    "output_config": [
        '"x"',
        "[]",
        '{"effort":"huge"}',
        '{"format":{"type":"json_schema"}}',
        '{"format":{"type":"xml"}}',
        '{"task_budget":7}',
    ],
    "output_format": ["{}", '{"type":"json_schema"}', '{"type":"json_schema","schema":[]}', '"json"'],
    "metadata": ['"x"', "[]", '{"user_id":1}'],
    "thread": ['{"type":"create"}', '{"type":"continue","previous_message_id":"msg_1"}'],
    "mcp_servers": ['[{"type":"url","url":"https://x","name":"x"}]', "{}"],
    "chat_template_kwargs": ['"x"', '{"messages":"x"}', '{"a b":1}', '{"a":[]}'],
    "priority": [*_NO_TEXT, '"urgent"'],
    "cache_salt": ["1", '"' + "x" * 513 + '"'],
}
MESSAGES_ONLY: dict[str, list[str]] = {
    "max_tokens": [*_NO_NUMBER, "null", "-1", "1.5", "2147483648", "1e30", "9" * 400],
    "temperature": [*_NO_NUMBER, "-0.1", "2.1", "1e400"],
    "top_p": [*_NO_NUMBER, "-0.1", "1.1"],
    "top_k": [*_NO_NUMBER, "-1", "1.5", "2147483648"],
    "min_p": [*_NO_NUMBER, "1.1"],
    "stream": _NO_BOOL,
    "stop_sequences": ['"x"', "{}", '[""]', "[1]", "[null]", '["a"' + ',"a"' * 64 + "]", '["' + "x" * 4097 + '"]'],
    "context_management": ['"x"', "[]"],
    "compaction": ["{}", '{"instructions":"x"}'],
    "container": ['"container_1"', "{}"],
}
TURNS: dict[str, list[str]] = {
    "messages[0].role": [
        '{"content":"x"}',
        '{"role":"tool","content":"x"}',
        '{"role":"developer","content":"x"}',
        '{"role":null,"content":"x"}',
    ],
    "messages[0].content": ['{"role":"user"}', '{"role":"user","content":null}', '{"role":"user","content":1}'],
    "messages[0].content[0]": [
        '{"role":"user","content":["x"]}',
        '{"role":"user","content":[{"type":"image","source":{"type":"url","url":"http://x"}}]}',
        '{"role":"user","content":[{"type":"tool_use","id":"a","name":"f","input":{}}]}',
        '{"role":"assistant","content":[{"type":"tool_result","tool_use_id":"a"}]}',
    ],
    "messages[0].content[0].type": [
        '{"role":"user","content":[{"text":"x"}]}',
        '{"role":"user","content":[{"type":"input_text","text":"x"}]}',
        '{"role":"user","content":[{"type":"search_result","source":"x","title":"x","content":[]}]}',
        '{"role":"assistant","content":[{"type":"server_tool_use","id":"a","name":"web_search","input":{}}]}',
    ],
    "messages[0].content[0].source": [
        _document("{}"),
        _document('"x"'),
        _document("null"),
        _document('{"type":"base64","data":""}'),
        _document('{"type":"url","url":"http://x"}'),
        _document('{"type":"file","file_id":"file_1"}'),
    ],
    "messages[0].content[0].source.type": [_document('{"type":"tape"}'), _document('{"type":1}')],
    "messages[0].content[0].source.data": [
        _document('{"type":"text","media_type":"text/plain"}'),
        _document('{"type":"text","media_type":"text/plain","data":1}'),
    ],
    "messages[0].content[0].source.media_type": [
        _document('{"type":"text","data":"x"}'),
        _document('{"type":"text","media_type":"text/html","data":"x"}'),
    ],
    "messages[0].content[0].source.content": [
        _document('{"type":"content"}'),
        _document('{"type":"content","content":null}'),
        _document('{"type":"content","content":["x"]}'),
        _document('{"type":"content","content":[{"type":"document","source":{}}]}'),
        _document('{"type":"content","content":[{"type":"image","source":{}}]}'),
    ],
    "messages[0].content[0].title": [_document(_PLAIN, '"title":1')],
    "messages[0].content[0].context": [_document(_PLAIN, '"context":["x"]')],
    "messages[0].content[0].citations": [
        _document(_PLAIN, '"citations":true'),
        _document(_PLAIN, '"citations":{"enabled":"yes"}'),
    ],
    "messages[0].content[0].text": ['{"role":"user","content":[{"type":"text"}]}'],
    "messages[0].content[0].input": [
        '{"role":"assistant","content":[{"type":"tool_use","id":"a","name":"f","input":"x"}]}'
    ],
    "messages[0].content[0].tool_use_id": ['{"role":"user","content":[{"type":"tool_result","content":"x"}]}'],
    "messages[0].content[0].content": [
        '{"role":"user","content":[{"type":"tool_result","tool_use_id":"a","content":1}]}'
    ],
    "messages[0].content[0].content[0]": [
        '{"role":"user","content":[{"type":"tool_result","tool_use_id":"a","content":[{"type":"image","source":{}}]}]}',
    ],
    "messages[0]": ['{"role":"assistant","content":"so: "}'],
}


class Wrong(NamedTuple):
    """One request that is wrong; `param` is what the answer must name, or empty where nothing can be named."""

    path: str
    body: bytes
    param: str


def requests() -> Iterator[Wrong]:
    """Yield every one."""
    for path, fields in ((routes.MESSAGES, {**SHARED, **MESSAGES_ONLY}), (routes.COUNT_TOKENS, SHARED)):
        for body in BODIES:
            yield Wrong(path, body, "")
        for field, values in fields.items():
            for value in values:
                yield Wrong(path, f'{{{ASK}{_beside(field, value)},"{field}":{value}}}'.encode(), field)
        for param, turns in TURNS.items():
            for turn in turns:
                yield Wrong(path, f'{{"model":"sky","max_tokens":9,"messages":[{turn}]}}'.encode(), param)
        yield Wrong(path, b'{"max_tokens":9,"messages":[{"role":"user","content":"hi"}]}', "model")
        yield Wrong(path, b'{"model":"sky","max_tokens":9}', "messages")
    yield Wrong(routes.MESSAGES, b'{"model":"sky","messages":[{"role":"user","content":"hi"}]}', "max_tokens")


def _beside(field: str, value: str) -> str:
    """Return the tools that a choice is made of, but for the one that is wrong without them."""
    return f',"tools":[{TOOL}]' if field == "tool_choice" and '"any"' not in value else ""
