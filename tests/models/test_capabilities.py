"""What a folder tells of what its model can do."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest

from omlx_cli.contract.api import Capabilities
from omlx_daemon.models.capabilities import CapabilityReader, template

QWEN = "{% if tools %}{{ tools }}{% endif %}<tool_call>{{ tool_call.name }}</tool_call><think>"
PLAIN = Capabilities(json_schema=True)


def write(path: Path, chat_template: object = None, **settings: object) -> Path:
    path.mkdir(exist_ok=True)
    if chat_template is not None:
        settings["chat_template"] = chat_template
    (path / "tokenizer_config.json").write_text(json.dumps(settings))
    return path


def test_template_and_added_tokens(tmp_path: Path) -> None:
    thinking = {"1": {"content": "<think>"}, "2": {"content": "</think>"}}
    able = CapabilityReader().of(write(tmp_path / "q", QWEN, added_tokens_decoder=thinking))
    assert able == Capabilities(tools=True, reasoning=True, json_schema=True)
    assert CapabilityReader().of(write(tmp_path / "p", "{{ messages }}", added_tokens_decoder=thinking)) == PLAIN


def test_the_template_may_lie_beside_the_settings_or_be_several(tmp_path: Path) -> None:
    beside = write(tmp_path / "b")
    (beside / "chat_template.jinja").write_text(QWEN)
    several = write(
        tmp_path / "s", [{"name": "default", "template": "{{ messages }}"}, {"name": "tool_use", "template": QWEN}]
    )
    for path in (beside, several):
        assert QWEN in template(path)
        assert CapabilityReader().of(path).tools


def test_tokens_that_only_the_vocabulary_names(tmp_path: Path) -> None:
    path = write(tmp_path / "v", "{% if tools %}{% endif %}{{ messages }}")
    tokens = [{"id": 1, "content": "<|tool_call_start|>"}, {"id": 2, "content": "<|tool_call_end|>"}]
    (path / "tokenizer.json").write_text(json.dumps({"added_tokens": tokens, "model": {"vocab": {}}}))
    assert CapabilityReader().of(path).tools


@pytest.mark.parametrize("text", [None, "", "{", "[]", "\udcff"])
def test_what_cannot_be_read_can_do_nothing_more(tmp_path: Path, text: str | None) -> None:
    if text is not None:
        (tmp_path / "tokenizer_config.json").write_bytes(text.encode("utf-8", "surrogateescape"))
    assert CapabilityReader().of(tmp_path) == PLAIN


def test_a_change_is_seen(tmp_path: Path) -> None:
    reader = CapabilityReader()
    assert not reader.of(write(tmp_path, "{{ messages }}")).tools
    write(tmp_path, QWEN)
    os.utime(tmp_path / "tokenizer_config.json", ns=(1, 1))
    assert reader.of(tmp_path).tools
