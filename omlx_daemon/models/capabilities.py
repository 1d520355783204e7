"""What a model on disk can do beside writing text, told by its folder without loading it."""

from __future__ import annotations

import re
from pathlib import Path

from omlx_cli.contract import files
from omlx_cli.contract.api import Capabilities
from omlx_daemon.core.templates import TemplateTraits, read_template
from omlx_daemon.models import folder

TEMPLATE = "chat_template.jinja"
_SETTINGS = "tokenizer_config.json"
_VOCABULARY = "tokenizer.json"
_FILES = (TEMPLATE, _SETTINGS, _VOCABULARY)
_HEAD_BYTES = 1 << 18
"""As much of a vocabulary's file as holds its added tokens, which stand before the others."""
_CONTENT = re.compile(r'"content"\s*:\s*"((?:[^"\\]|\\.)*)"')

_Stamp = tuple[tuple[int, int], ...]


class CapabilityReader:
    """Reads folders, each once for as long as its files stay as they are. Any thread may ask."""

    def __init__(self) -> None:
        self._known: dict[Path, tuple[_Stamp, Capabilities]] = {}

    def of(self, path: Path) -> Capabilities:
        """Return what the model in the folder at `path` can do; nothing where its files cannot be read."""
        stamp = _stamp(path)
        known = self._known.get(path)
        if known is None or known[0] != stamp:
            known = self._known[path] = stamp, _capabilities(traits(path))
        return known[1]


def traits(path: Path) -> TemplateTraits:
    """Return what the chat template and the added tokens in the folder at `path` tell."""
    settings = _json(path / _SETTINGS)
    return read_template(
        template(path),
        _added_tokens(path, settings),
        str(settings.get("tool_parser_type") or ""),
        str(settings.get("chat_template_type") or ""),
    )


def template(path: Path) -> str:
    """Return the chat template of the model in the folder at `path`; empty where it has none."""
    try:
        return files.read_text(path / TEMPLATE)
    except (OSError, ValueError):
        found = _json(path / _SETTINGS).get("chat_template")
    if isinstance(found, list):
        return "".join(str(one.get("template", "")) for one in found if isinstance(one, dict))
    return found if isinstance(found, str) else ""


def _capabilities(found: TemplateTraits) -> Capabilities:
    return Capabilities(
        tools=found.takes_tools and bool(found.tool_format),
        reasoning=found.reasons,
        vision=False,
        json_schema=True,
    )


def _added_tokens(path: Path, settings: dict[str, object]) -> frozenset[str]:
    added = settings.get("added_tokens_decoder")
    if isinstance(added, dict):
        return frozenset(str(token.get("content", "")) for token in added.values() if isinstance(token, dict))
    try:
        with files.opened(path / _VOCABULARY) as file:
            return frozenset(_CONTENT.findall(file.read(_HEAD_BYTES).decode("utf-8", "replace")))
    except OSError:
        return frozenset()


def _json(path: Path) -> dict[str, object]:
    try:
        return folder.read_json(path)
    except (OSError, ValueError):
        return {}


def _stamp(path: Path) -> _Stamp:
    return tuple(_file_stamp(path / name) for name in _FILES)


def _file_stamp(path: Path) -> tuple[int, int]:
    try:
        found = path.stat()
    except OSError:
        return 0, 0
    return found.st_mtime_ns, found.st_size
