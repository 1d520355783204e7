"""Several hundred requests that are wrong, each with the field that the answer must name."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

CHAT = "/v1/chat/completions"
TEXT = "/v1/completions"
ASK = '"model":"sky","messages":[{"role":"user","content":"hi"}]'
PROMPT = '"model":"sky","prompt":"hi"'

_NO_NUMBER = ['"1"', "true", "[]", "{}", '"NaN"']
_NO_COUNT = [*_NO_NUMBER, "1.5", "0", "-1", "2147483648", "1e30", "9" * 400]
_NO_BOOL = ['"true"', "0", "1", "[]", "{}"]
_NO_TEXT = ["1", "true", "[]", "{}"]
_NO_LIST = ['"x"', "1", "true", "{}"]

SHARED: dict[str, list[str]] = {
    "model": [*_NO_TEXT, "null", '""', '"' + "x" * 513 + '"'],
    "temperature": [*_NO_NUMBER, "-0.1", "2.1", "1e400", "-1e400", "1e308"],
    "top_p": [*_NO_NUMBER, "-0.1", "1.1", "1e400"],
    "top_k": [*_NO_NUMBER, "-2", "1.5", "2147483648", "9" * 400],
    "min_p": [*_NO_NUMBER, "-0.1", "1.1"],
    "repetition_penalty": [*_NO_NUMBER, "0", "-1", "10.1", "1e400"],
    "presence_penalty": [*_NO_NUMBER, "-2.1", "2.1"],
    "frequency_penalty": [*_NO_NUMBER, "-2.1", "2.1"],
    "seed": [*_NO_NUMBER, "1.5", "9223372036854775808", "-9223372036854775808", "9" * 400],
    "max_tokens": _NO_COUNT,
    "n": [*_NO_COUNT, "129"],
    "stop": ["1", "true", "{}", '""', '[""]', "[1]", "[null]", '["a"' + ',"a"' * 16 + "]", '"' + "x" * 4097 + '"'],
    "logit_bias": [*_NO_LIST[:3], "[]", '{"a":1}', '{"-1":1}', '{"1":101}', '{"1":"x"}', '{"1.5":1}', '{"1":null}'],
    "ignore_eos": _NO_BOOL,
    "stream": _NO_BOOL,
    "stream_options": [*_NO_LIST[:3], "[]", '{"include_usage":1}'],
    "priority": [*_NO_TEXT, '"urgent"'],
    "response_format": [
        '{"type":"json_schema","json_schema":{}}',
        '{"type":"json_schema"}',
        '{"type":"json_schema","json_schema":{"name":"n","schema":true}}',
        '{"type":"grammar"}',
        "{}",
        '"text"',
    ],
    "guided_json": ['{"type":"object"}', '"{}"'],
    "guided_regex": ['"[0-9]+"'],
    "guided_choice": ['["a"]'],
    "guided_grammar": ['"root ::= x"'],
    "structured_outputs": ['{"json":{}}'],
    "grammar": ['"root ::= x"'],
    "user": _NO_TEXT,
}
CHAT_ONLY: dict[str, list[str]] = {
    "messages": [*_NO_LIST, "null", "[]", "[1]", '["x"]', "[null]", "[{}]", "[[]]"],
    "max_completion_tokens": _NO_COUNT,
    "logprobs": _NO_BOOL,
    "top_logprobs": [*_NO_NUMBER, "-1", "21", "5"],
    "chat_template_kwargs": [
        *_NO_LIST[:3],
        '{"messages":"x"}',
        '{"chat_template":"x"}',
        '{"tokenize":true}',
        '{"a b":1}',
        '{"a":[]}',
    ],
    "reasoning_effort": [*_NO_TEXT, '""', '"strong"'],
    "tools": [
        '"x"',
        "{}",
        "[1]",
        "[{}]",
        '[{"type":"web_search"}]',
        '[{"type":"function"}]',
        '[{"type":"function","function":{}}]',
        '[{"type":"function","function":{"name":""}}]',
        '[{"type":"function","function":{"name":"a b"}}]',
        '[{"type":"function","function":{"name":"f","parameters":[]}}]',
        '[{"type":"function","function":{"name":"f","strict":"yes"}}]',
        '[{"type":"function","function":{"name":"f"}},{"type":"function","function":{"name":"f"}}]',
    ],
    "tool_choice": [
        '"required"',
        '"any"',
        '{"type":"function","function":{"name":"f"}}',
        '{"type":"function"}',
        '{"type":"allowed_tools","allowed_tools":{}}',
        "1",
    ],
    "parallel_tool_calls": _NO_BOOL,
    "functions": ['[{"name":"f"}]', "{}"],
    "function_call": ['{"name":"f"}', '"f"'],
    "verbosity": ['"loud"', "1"],
    "moderation": ['{"model":"omni-moderation-latest"}'],
    "prompt_cache_options": ['"x"', '{"prewarm":true}'],
    "modalities": ['["audio"]', '["text","audio"]', '"text"'],
    "audio": ['{"voice":"alloy","format":"wav"}', "true"],
    "prediction": ['{"type":"content","content":"x"}'],
    "web_search_options": ["{}"],
    "store": ["true", '"false"', "1"],
}
TEXT_ONLY: dict[str, list[str]] = {
    "prompt": [
        "null",
        "1",
        "true",
        "{}",
        "[]",
        "[null]",
        "[{}]",
        "[[]]",
        '["a",1]',
        "[-1]",
        "[1.5]",
        "[[-1]]",
        '[["a"]]',
        "[2147483648]",
        "[" + "[1]," * 128 + "[1]]",
    ],
    "logprobs": [*_NO_NUMBER, "-1", "21", "1.5"],
    "echo": _NO_BOOL,
    "best_of": ["2", "0", "-1", '"1"', "129"],
    "suffix": ['"end"', "1"],
}
MESSAGES: dict[str, list[str]] = {
    "messages[0].role": [
        '{"content":"x"}',
        '{"role":"robot","content":"x"}',
        '{"role":"function","content":"x"}',
        '{"role":"User","content":"x"}',
        '{"role":null,"content":"x"}',
        '{"role":1,"content":"x"}',
        '{"role":"","content":"x"}',
    ],
    "messages[0].content": [
        '{"role":"user"}',
        '{"role":"user","content":null}',
        '{"role":"system","content":null}',
        '{"role":"tool"}',
        '{"role":"user","content":1}',
        '{"role":"user","content":{}}',
        '{"role":"user","content":["x"]}',
    ],
    "messages[0].content[0].type": [
        '{"role":"user","content":[{"type":"image_url","image_url":{"url":"http://x"}}]}',
        '{"role":"user","content":[{"type":"input_audio","input_audio":{}}]}',
        '{"role":"user","content":[{"type":"file"}]}',
        '{"role":"user","content":[{"text":"x"}]}',
        '{"role":"user","content":[{"type":1}]}',
    ],
    "messages[0].content[0].text": [
        '{"role":"user","content":[{"type":"text"}]}',
        '{"role":"user","content":[{"type":"text","text":1}]}',
    ],
    "messages[0].name": ['{"role":"user","content":"x","name":1}'],
    "messages[0].audio": ['{"role":"assistant","content":"x","audio":{"id":"a"}}'],
    "messages[0].function_call": ['{"role":"assistant","function_call":{"name":"f","arguments":"{}"}}'],
    "messages[0].tool_call_id": ['{"role":"tool","content":"x","tool_call_id":1}'],
    "messages[0].tool_calls": ['{"role":"assistant","tool_calls":{}}'],
    "messages[0].tool_calls[0].function": ['{"role":"assistant","tool_calls":[{"id":"a"}]}'],
    "messages[0].tool_calls[0].function.arguments": [
        '{"role":"assistant","tool_calls":[{"id":"a","function":{"name":"f","arguments":{}}}]}'
    ],
}
BODIES: list[bytes] = [
    b"",
    b" ",
    b"{",
    b"}",
    b"null",
    b"[]",
    b"[{}]",
    b'"x"',
    b"1",
    b"true",
    b"{}",
    b"{'model':'sky'}",
    b'{"model":"sky",}',
    b'{"model":"sky"',
    b'{"model":"sky"} x',
    b'{"model":NaN}',
    b'{"model":"sky","temperature":NaN}',
    b'{"model":"sky","temperature":Infinity}',
    b'{"model":"sky","temperature":-Infinity}',
    b'{"model":"sky","temperature":01}',
    b'{"model":"sky","temperature":.5}',
    b'{"model":"sky","temperature":0x1}',
    b'{"model":"\xff\xfe"}',
    b'{"model":"\\ud800"}',
    b'{"model":"\\x"}',
    b'{"model":"a\nb"}',
    b"\xff\xfe{\x00}\x00",
    b"\xef\xbb\xbf{}",
    b"\x00" * 100,
    b"[" * 100_000,
    b'{"a":' * 100_000,
    b'{"model":"sky","x":' + b"[" * 100_000 + b"]" * 100_000 + b"}",
    b'{"model":"sky","messages":' + b"[" * 100_000,
    b"model=sky&messages=hi",
    b"--x\r\nContent-Disposition: form-data; name=model\r\n\r\nsky\r\n--x--",
    b"<xml/>",
    b"// comment\n{}",
]


class Wrong(NamedTuple):
    """One request that is wrong; `param` is what the answer must name, or empty where nothing can be named."""

    path: str
    body: bytes
    param: str


def requests() -> Iterator[Wrong]:
    """Yield every one."""
    for path, base, own in ((CHAT, ASK, CHAT_ONLY), (TEXT, PROMPT, TEXT_ONLY)):
        for body in BODIES:
            yield Wrong(path, body, "")
        for field, values in {**SHARED, **own}.items():
            for value in values:
                yield Wrong(path, f'{{{base},"{field}":{value}}}'.encode(), field)
    for param, messages in MESSAGES.items():
        for message in messages:
            yield Wrong(CHAT, f'{{"model":"sky","messages":[{message}]}}'.encode(), param)
    yield Wrong(CHAT, b'{"messages":[{"role":"user","content":"hi"}]}', "model")
    yield Wrong(CHAT, b'{"model":"sky"}', "messages")
    yield Wrong(TEXT, b'{"model":"sky"}', "prompt")
    yield Wrong(TEXT, b'{"prompt":"hi"}', "model")
    yield Wrong(TEXT, b'{"model":"sky","prompt":"hi","echo":true,"logprobs":1}', "logprobs")
    yield Wrong(TEXT, b'{"model":"sky","prompt":["a","b"],"n":65}', "n")
