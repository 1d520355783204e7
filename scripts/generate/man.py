"""The man pages: one for `omlx`, one for each command below it."""

from __future__ import annotations

import re
from collections.abc import Iterable

from omlx_cli import __version__
from omlx_cli.commands.help import MEANINGS
from scripts.generate.tree import Command, Option, walk

DATE = "2026-11-21"
"""Of the pages' last edition; changed with a release, so that the same commands give the same pages."""

_FILES = (
    ("~/.omlx", "Everything of omlx; OMLX_HOME moves it."),
    ("~/.omlx/config.toml", "The settings."),
    ("~/.omlx/models", "Models that omlx imported."),
    ("~/.omlx/cache", "The KV cache, unless cache.dir says otherwise."),
    ("~/.omlx/logs/daemon.log", "The daemon's log."),
)
_ENVIRONMENT = (
    ("OMLX_HOME", "The home, instead of ~/.omlx."),
    ("OMLX_BLAS", "The BLAS library to use on Linux, or none."),
    ("HF_HOME, HF_HUB_CACHE", "Where models of the hub lie."),
    ("NO_COLOR", "No colours, if it is not empty."),
    ("OMLX_DEBUG", "Say more of an error that omlx did not expect."),
)
_LITERAL = "\b\n"


def render(root: Command) -> dict[str, str]:
    """Return the pages by file name."""
    return {f"{'-'.join(command.words)}.1": _page(root, command) for command in walk(root)}


def _page(root: Command, command: Command) -> str:
    name, blocks = "-".join(command.words), re.split(r"\n\s*\n", command.text)
    lines = [
        r""".\" Made by `make generate`; edit scripts/generate/man.py or the command instead.""",
        f'.TH {_text(name.upper())} 1 {DATE} "omlx {__version__}" "omlx manual"',
        ".SH NAME",
        rf"{_text(name)} \- {_text(_sentence(command.summary))}",
        ".SH SYNOPSIS",
        *_synopsis(command),
        ".SH DESCRIPTION",
        *_prose(block for block in blocks if not _is_example(block)),
        *_list("COMMANDS", [(below.words[-1], below.summary) for below in command.commands]),
        ".SH OPTIONS",
        *(line for option in command.options for line in _option(option)),
        *(line for block in blocks if _is_example(block) for line in (".SH EXAMPLES", *_literal(block))),
    ]
    if command is root:
        lines += _list("ENVIRONMENT", _ENVIRONMENT)
        lines += _list("FILES", _FILES)
        lines += _list("EXIT STATUS", [(str(int(code)), f"{meaning}.") for code, meaning in MEANINGS.items()])
    return "\n".join([*lines, *_see_also(root, command)]) + "\n"


def _synopsis(command: Command) -> list[str]:
    words = [rf"\fB{_text(command.name)}\fR"]
    if command.commands:
        words.append(r"\fICOMMAND\fR [\fIARGUMENT\fR ...]")
    else:
        words.append(r"[\fIOPTION\fR ...]")
        for argument in command.arguments:
            label = argument.value.label
            shown = label if label.startswith("[") else rf"\fI{_text(label)}\fR"
            shown += " ..." if argument.repeats and "..." not in label else ""
            words.append(shown if argument.required or label.startswith("[") else f"[{shown}]")
    return [" ".join(words)]


def _option(option: Option) -> list[str]:
    names = ", ".join(rf"\fB{_text(name)}\fR" for name in option.names)
    value = rf" \fI{_text(option.value.label)}\fR" if option.value else ""
    text = option.help + (" May be given more than once." if option.repeats else "")
    return [".TP", names + value, _line(text)]


def _list(title: str, rows: Iterable[tuple[str, str]]) -> list[str]:
    lines = [line for name, text in rows for line in (".TP", rf"\fB{_text(name)}\fR", _line(text))]
    return [f".SH {title}", *lines] if lines else []


def _is_example(block: str) -> bool:
    return block.startswith(f"{_LITERAL}Examples:")


def _prose(blocks: Iterable[str]) -> list[str]:
    """Return paragraphs, and the blocks that stay as they are."""
    lines: list[str] = []
    for block in blocks:
        lines += [".PP"] if lines else []
        lines += _literal(block) if block.startswith(_LITERAL) else [_line(" ".join(block.split()))]
    return lines


def _literal(block: str) -> list[str]:
    """Return lines that stay as they are."""
    body = block.removeprefix(_LITERAL).removeprefix("Examples:\n").splitlines()
    return [".nf", ".RS 4", *(_line(line.strip()) for line in body), ".RE", ".fi"]


def _see_also(root: Command, command: Command) -> list[str]:
    above = [] if command is root else ["-".join(command.words[:-1])]
    names = [*above, *("-".join(below.words) for below in command.commands)]
    return [".SH SEE ALSO", *_separated([rf".BR {_text(name)} (1)" for name in names])]


def _separated(lines: list[str]) -> list[str]:
    return [*(f"{line} ," for line in lines[:-1]), lines[-1]]


def _sentence(text: str) -> str:
    return text[:1].lower() + text[1:].removesuffix(".")


def _line(text: str) -> str:
    """Return text that may stand at the start of a line, where a dot or an apostrophe would be a command."""
    escaped = _text(text)
    return rf"\&{escaped}" if escaped[:1] in (".", "'") else escaped


def _text(text: str) -> str:
    return (
        text.replace("\\", r"\e").replace("-", r"\-").replace("`", r"\(ga").replace("~", r"\(ti").replace("^", r"\(ha")
    )
