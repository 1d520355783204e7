"""Well-formed answers in every tool format, as the models' templates write them."""

from __future__ import annotations

from typing import NamedTuple

TOOLS = [
    {
        "type": "function",
        "function": {
            "name": "get_weather",
            "parameters": {
                "type": "object",
                "properties": {
                    "city": {"type": "string"},
                    "days": {"type": "integer"},
                    "exact": {"type": "boolean"},
                    "where": {"type": "object"},
                    "names": {"type": "array", "items": {"type": "string"}},
                },
            },
        },
    },
    {
        "type": "function",
        "function": {
            "name": "write_file",
            "parameters": {"type": "object", "properties": {"path": {"type": "string"}, "text": {"type": "string"}}},
        },
    },
    {"type": "function", "function": {"name": "now"}},
]

BAR, LOW = "\uff5c", "\u2581"
DSML = f"{BAR}DSML{BAR}"


class Sample(NamedTuple):
    """What a model writes for one call or a run of calls, markers included, and what that means."""

    format: str
    text: str
    calls: tuple[tuple[str, dict[str, object]], ...]
    syntax: tuple[str, ...] = ()
    """Words that are no part of names and arguments."""


Meant = tuple[str, dict[str, object]]
WEATHER: Meant = ("get_weather", {"city": "Zürich 🦊", "days": 3, "exact": True, "where": {"deep": [1, {"er": None}]}})
FILE: Meant = ("write_file", {"path": "a b.py", "text": "if x < 3:\n    print(\"hi\", 'there')\n"})
PLAIN_FILE: Meant = ("write_file", {"path": "a b.py", "text": "if x < 3: print('hi')"})
NOW: Meant = ("now", {})
NAMES: Meant = ("get_weather", {"names": ["a", "b"], "days": -2})

_FILE_JSON = '{"path": "a b.py", "text": "if x < 3:\\n    print(\\"hi\\", \'there\')\\n"}'
_WEATHER_JSON = '{"city": "Zürich \\ud83e\\udd8a", "days": 3, "exact": true, "where": {"deep": [1, {"er": null}]}}'
_WORDS = ("name", "arguments", "parameters", "function", "id", "type", "index", "null", "true", "false")

SAMPLES = (
    Sample(
        "json_tools",
        f'<tool_call>\n{{"name": "get_weather", "arguments": {_WEATHER_JSON}}}\n</tool_call>',
        (WEATHER,),
        ("tool_call", *_WORDS),
    ),
    Sample(
        "json_tools",
        f'<tool_call>{{"arguments": {_FILE_JSON}, "name":"write_file","id":"x"}}</tool_call>',
        (FILE,),
        ("tool_call", "x", *_WORDS),
    ),
    Sample("json_tools", '<tool_call>{"name": "now"}</tool_call>', (NOW,), ("tool_call", *_WORDS)),
    Sample(
        "qwen3_coder",
        "<tool_call>\n<function=get_weather>\n<parameter=city>\nZürich 🦊\n</parameter>\n"
        "<parameter=days>\n3\n</parameter>\n"
        "<parameter=exact>\ntrue\n</parameter>\n<parameter=where>\n"
        '{"deep": [1, {"er": null}]}\n</parameter>\n</function>\n</tool_call>',
        (WEATHER,),
        ("tool_call", "function", "parameter"),
    ),
    Sample(
        "qwen3_coder",
        "<tool_call>\n<function=write_file>\n<parameter=path>\na b.py\n</parameter>\n<parameter=text>\n"
        "if x < 3:\n    print(\"hi\", 'there')\n\n</parameter>\n</function>\n</tool_call>",
        (FILE,),
        ("tool_call", "function", "parameter"),
    ),
    Sample("qwen3_coder", "<tool_call>\n<function=now>\n</function>\n</tool_call>", (NOW,), ("tool_call", "function")),
    Sample(
        "minimax_m2",
        '<minimax:tool_call>\n<invoke name="get_weather">\n<parameter name="names">["a", "b"]</parameter>\n'
        '<parameter name="days">-2</parameter>\n</invoke>\n<invoke name="write_file">\n'
        "<parameter name=\"path\">a b.py</parameter>\n<parameter name=\"text\">if x < 3: print('hi')</parameter>\n"
        "</invoke>\n</minimax:tool_call>",
        (NAMES, PLAIN_FILE),
        ("minimax", "tool_call", "invoke", "name", "parameter"),
    ),
    Sample(
        "minicpm5",
        '<function name="get_weather"><param name="city">Zürich 🦊</param><param name="days">3</param>'
        '<param name="exact">true</param><param name="where">{"deep": [1, {"er": null}]}</param></function>',
        (WEATHER,),
        ("function", "name", "param"),
    ),
    Sample(
        "minicpm5",
        '<function name="write_file"><param name="path">a b.py</param><param name="text"><![CDATA[if x < 3:\n    '
        "print(\"hi\", 'there')\n]]></param></function>",
        (FILE,),
        ("function", "name", "param", "CDATA"),
    ),
    Sample(
        "glm47",
        "<tool_call>get_weather\n<arg_key>names</arg_key>\n<arg_value>[\"a\", \"b\"]</arg_value>\n"
        "<arg_key>days</arg_key>\n<arg_value>-2</arg_value>\n</tool_call>",
        (NAMES,),
        ("tool_call", "arg_key", "arg_value"),
    ),
    Sample(
        "glm47",
        "<tool_call>write_file<arg_key>path</arg_key><arg_value>a b.py</arg_value><arg_key>text</arg_key>"
        "<arg_value>if x < 3: print('hi')</arg_value></tool_call>",
        (PLAIN_FILE,),
        ("tool_call", "arg_key", "arg_value"),
    ),
    Sample("glm47", "<tool_call>now</tool_call>", (NOW,), ("tool_call",)),
    Sample(
        "laguna",
        "<tool_call>get_weather\n<arg_key>days</arg_key>\n<arg_value>-2</arg_value>\n</tool_call>",
        (("get_weather", {"days": -2}),),
        ("tool_call", "arg_key", "arg_value"),
    ),
    Sample(
        "longcat",
        "<longcat_tool_call>get_weather\n<longcat_arg_key>city</longcat_arg_key>\n<longcat_arg_value>Zürich 🦊"
        "</longcat_arg_value>\n<longcat_arg_key>days</longcat_arg_key>\n<longcat_arg_value>3</longcat_arg_value>\n"
        "</longcat_tool_call>",
        (("get_weather", {"city": "Zürich 🦊", "days": 3}),),
        ("longcat_tool_call", "longcat_arg_key", "longcat_arg_value"),
    ),
    Sample(
        "kimi_k2",
        "<|tool_calls_section_begin|><|tool_call_begin|>functions.get_weather:0<|tool_call_argument_begin|>"
        f"{_WEATHER_JSON}<|tool_call_end|><|tool_call_begin|>functions.write_file:1<|tool_call_argument_begin|>"
        f"{_FILE_JSON}<|tool_call_end|><|tool_calls_section_end|>",
        (WEATHER, FILE),
        ("tool_calls_section_begin", "tool_call_begin", "functions", "0", "1", "tool_call_argument_begin",
         "tool_call_end", "tool_calls_section_end"),
    ),
    Sample(
        "kimi_k3",
        '<|open|>tools<|sep|><|open|>call tool="get_weather" index="1"<|sep|><|open|>argument key="city" type="string"'
        '<|sep|>Zürich 🦊<|close|>argument<|sep|><|open|>argument key="days" type="integer"<|sep|>3<|close|>argument'
        '<|sep|><|close|>call<|sep|><|open|>call tool="write_file" index="2"<|sep|><|open|>json type="object"<|sep|>'
        f"{_FILE_JSON}<|close|>json<|sep|><|close|>call<|sep|><|close|>tools<|sep|>",
        (("get_weather", {"city": "Zürich 🦊", "days": 3}), FILE),
        ("open", "close", "sep", "tools", "call", "tool", "index", "1", "2", "argument", "key", "type", "json",
         "object", "string", "integer"),
    ),
    Sample(
        "mistral",
        f'[TOOL_CALLS][{{"name": "get_weather", "arguments": {_WEATHER_JSON}, "id": "abcdefghi"}}, '
        f'{{"name": "write_file", "arguments": {_FILE_JSON}}}]',
        (WEATHER, FILE),
        ("TOOL_CALLS", "abcdefghi", *_WORDS),
    ),
    Sample("mistral", f"[TOOL_CALLS]write_file[ARGS]{_FILE_JSON}", (FILE,), ("TOOL_CALLS", "ARGS")),
    Sample(
        "muse_spark",
        '<atem:function_calls>\n<atem:invoke name="get_weather">\n<atem:parameter name="names">["a", "b"]'
        '</atem:parameter>\n<atem:parameter name="days">-2</atem:parameter>\n</atem:invoke>\n</atem:function_calls>',
        (NAMES,),
        ("atem", "function_calls", "invoke", "name", "parameter"),
    ),
    Sample(
        "gemma4",
        '<|tool_call>call:get_weather{city:<|"|>Zürich 🦊<|"|>,days:3,exact:true,where:{deep:[1,{er:null}]}}'
        "<tool_call|>",
        (WEATHER,),
        ("tool_call", "call"),
    ),
    Sample("gemma4", "<|tool_call>call:now{}<tool_call|>", (NOW,), ("tool_call", "call")),
    Sample(
        "function_gemma",
        "<start_function_call>call:get_weather{city:<escape>Zürich 🦊<escape>,days:3}<end_function_call>",
        (("get_weather", {"city": "Zürich 🦊", "days": 3}),),
        ("start_function_call", "end_function_call", "escape", "call"),
    ),
    Sample(
        "pythonic",
        '<|tool_call_start|>[get_weather(city="Zürich 🦊", days=3, exact=True, where={"deep": [1, {"er": None}]}), '
        "now()]<|tool_call_end|>",
        (WEATHER, NOW),
        ("tool_call_start", "tool_call_end", "True", "False", "None"),
    ),
    Sample(
        "deepseek_v3",
        f"<{BAR}tool{LOW}calls{LOW}begin{BAR}><{BAR}tool{LOW}call{LOW}begin{BAR}>get_weather<{BAR}tool{LOW}sep{BAR}>"
        f"{_WEATHER_JSON}<{BAR}tool{LOW}call{LOW}end{BAR}>"
        f"<{BAR}tool{LOW}call{LOW}begin{BAR}>function<{BAR}tool{LOW}sep{BAR}>write_file\n```json\n{_FILE_JSON}\n```"
        f"<{BAR}tool{LOW}call{LOW}end{BAR}><{BAR}tool{LOW}calls{LOW}end{BAR}>",
        (WEATHER, FILE),
        ("tool", "calls", "call", "begin", "end", "sep", "function", "json"),
    ),
    Sample(
        "deepseek_v32",
        f'<{DSML}function_calls>\n<{DSML}invoke name="get_weather">\n<{DSML}parameter name="city" string="true">'
        f'Zürich 🦊</{DSML}parameter>\n<{DSML}parameter name="days" string="false">3</{DSML}parameter>\n'
        f"</{DSML}invoke>\n</{DSML}function_calls>",
        (("get_weather", {"city": "Zürich 🦊", "days": 3}),),
        ("DSML", "function_calls", "invoke", "name", "parameter", "string", "true", "false"),
    ),
    Sample(
        "harmony",
        f"<|channel|>commentary to=functions.write_file <|constrain|>json<|message|>{_FILE_JSON}<|call|>",
        (FILE,),
        ("channel", "commentary", "to", "functions", "constrain", "json", "message", "call"),
    ),
)  # fmt: skip
