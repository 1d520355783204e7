"""The commands of `omlx` as plain data, for whatever is made from them."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from inspect import cleandoc

import click

from omlx_cli.cli import COMMANDS, root
from omlx_cli.commands.cache import VERBS


class Kind(StrEnum):
    """What a value is, for whoever completes it."""

    MODEL = "model"
    LOADED = "loaded"
    SOURCE = "source"
    """A name of the catalog, or a file or folder to make a model from."""
    FILE = "file"
    FOLDER = "folder"
    KEY = "key"
    COMMAND = "command"
    CHOICE = "choice"
    NOTHING = ""


@dataclass(frozen=True, slots=True)
class Value:
    """What is written behind an option, or in a place of its own."""

    label: str
    kind: Kind
    choices: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Option:
    """One option; `value` is None for a flag."""

    names: tuple[str, ...]
    help: str
    value: Value | None
    repeats: bool


@dataclass(frozen=True, slots=True)
class Argument:
    """One place on the command line; a repeated one is the last."""

    value: Value
    required: bool
    repeats: bool


@dataclass(frozen=True, slots=True)
class Command:
    """One command. `words` begins with `omlx`; `summary` is its line in the help of the one above."""

    words: tuple[str, ...]
    summary: str
    text: str
    """The help text: paragraphs as they are wrapped in the source, and blocks behind `\\b` that stay as they are."""
    options: tuple[Option, ...]
    arguments: tuple[Argument, ...]
    commands: tuple[Command, ...]

    @property
    def name(self) -> str:
        """The whole command, such as `omlx cache prune`."""
        return " ".join(self.words)

    @property
    def valued(self) -> tuple[str, ...]:
        """The options that take a value."""
        return tuple(name for option in self.options if option.value for name in option.names)

    @property
    def places(self) -> dict[str, Value]:
        """What is written where: by option, by the number of the place, and `+` for all places from the last on."""
        found = {name: option.value for option in self.options for name in option.names if option.value}
        for number, argument in enumerate(self.arguments, 1):
            found[f"{number}+" if argument.repeats else str(number)] = argument.value
        return found


_KINDS = {
    "MODEL": Kind.MODEL,
    "MODEL...": Kind.MODEL,
    "FILE": Kind.FILE,
    "DIR": Kind.FOLDER,
    "KEY": Kind.KEY,
}
_SPECIAL: dict[tuple[str, ...], dict[str, Kind]] = {
    ("omlx", "pull"): {"MODEL": Kind.SOURCE},
    ("omlx", "run"): {"PROMPT": Kind.NOTHING},
    ("omlx", "launch"): {"[-- ARGUMENTS...]": Kind.FILE},
    ("omlx", "unload"): {"MODEL": Kind.LOADED},
    ("omlx", "help"): {"[COMMAND|exit-codes]": Kind.COMMAND},
}
_HELP = Option(("-h", "--help"), "Show this message and exit.", None, False)


def commands() -> Command:
    """Return the root command with all that lies below it; imports every command."""
    return _command(root, ("omlx",), "")


def walk(command: Command) -> list[Command]:
    """Return a command and all below it, from the top."""
    return [command, *(found for below in command.commands for found in walk(below))]


def _command(command: click.Command, words: tuple[str, ...], summary: str) -> Command:
    options = [_option(found, words) for found in command.params if isinstance(found, click.Option)]
    arguments = [_argument(found, words) for found in command.params if isinstance(found, click.Argument)]
    return Command(
        words=words,
        summary=summary or command.get_short_help_str(200),
        text=cleandoc(command.help or ""),
        options=(*options, _HELP),
        arguments=tuple(arguments),
        commands=tuple(_below(command, words)),
    )


def _below(command: click.Command, words: tuple[str, ...]) -> list[Command]:
    if not isinstance(command, click.Group):
        return []
    context = click.Context(command, info_name=words[-1])
    found = []
    for name in command.list_commands(context):
        below = command.get_command(context, name)
        assert below is not None
        found.append(_command(below, (*words, name), _summary(command, words, name)))
    return found


def _summary(command: click.Command, words: tuple[str, ...], name: str) -> str:
    """Return the line that the help of the command above prints, where that is not taken from the command itself."""
    known: dict[tuple[str, ...], dict[str, str]] = {("omlx",): COMMANDS, ("omlx", "cache"): VERBS}
    return known.get(words, {}).get(name, "")


def _option(option: click.Option, words: tuple[str, ...]) -> Option:
    value = None if option.is_flag else _value(option, option.metavar or "|".join(_choices(option)) or "N", words)
    return Option((*option.opts, *option.secondary_opts), option.help or "", value, option.multiple)


def _argument(argument: click.Argument, words: tuple[str, ...]) -> Argument:
    label = argument.metavar or (argument.name or "").upper()
    return Argument(_value(argument, label, words), argument.required, argument.nargs == -1)


def _value(parameter: click.Parameter, label: str, words: tuple[str, ...]) -> Value:
    choices = _choices(parameter)
    kind = Kind.CHOICE if choices else _SPECIAL.get(words, {}).get(label, _KINDS.get(label, Kind.NOTHING))
    return Value(label.removesuffix("..."), kind, choices)


def _choices(parameter: click.Parameter) -> tuple[str, ...]:
    return tuple(map(str, parameter.type.choices)) if isinstance(parameter.type, click.Choice) else ()
