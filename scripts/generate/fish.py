"""The completion script for fish."""

from __future__ import annotations

from collections.abc import Iterable

from scripts.generate.tree import Command, Kind, Value, walk
from scripts.generate.values import FILES, names_file, words

_TEXT = r"""# fish completion for omlx. Made by `make generate`; edit scripts/generate/fish.py instead.

function __omlx_names # FILE: prints the names that omlx keeps there
    set -l home $OMLX_HOME
    test -n "$home"; or set home $HOME/.omlx
    test -r $home/run/$argv[1]; or return
    read -lz names <$home/run/$argv[1]
    string split -n \n -- $names
end

function __omlx_value # COMMAND PLACE: prints what is written there
    switch "$argv"
@VALUES@
    end
end

function __omlx_below # COMMAND: prints its commands
    switch $argv[1]
@COMMANDS@
    end
end

function __omlx_options # COMMAND: prints its options
    switch $argv[1]
@OPTIONS@
    end
end

function __omlx_complete
    set -l path omlx
    set -l place 0
    set -l option
    set -l plain
    set -l words (commandline -opc)
    set -l current (commandline -ct)
    for word in $words[2..-1]
        if test -n "$option"
            set option
        else if test -n "$plain"; or not string match -q -- '-*' $word
            switch "$path $word"
                case @PATHS@
                    set path "$path $word"
                case '*'
                    set place (math $place + 1)
            end
        else if test $word = --
            set plain yes
        else
            switch "$path $word"
                case @VALUED@
                    set option $word
            end
        end
    end
    if test -n "$option"
        __omlx_value $path $option
    else if test -z "$plain"; and string match -q -- '--*=*' $current
        set option (string replace -r '=.*' '' -- $current)
        printf '%s\n' $option=(__omlx_value $path $option | string replace -r '\t.*' '')
    else if test -z "$plain"; and string match -q -- '-*' $current
        __omlx_options $path
    else
        __omlx_value $path (math $place + 1)
        test $place = 0; and __omlx_below $path
    end
end

complete -c omlx -f -a '(__omlx_complete)'
"""


def render(root: Command) -> str:
    """Return the script."""
    commands = walk(root)
    below = [(command, [_line(found.words[-1], found.summary) for found in command.commands]) for command in commands]
    options = [
        (command, [_line(name, option.help) for option in command.options for name in option.names])
        for command in commands
    ]
    parts = {
        "@VALUES@": _values(root, commands),
        "@COMMANDS@": "\n".join(_case([command.name], _printing(lines)) for command, lines in below if lines),
        "@OPTIONS@": "\n".join(_case([command.name], _printing(lines)) for command, lines in options),
        "@PATHS@": _patterns(command.name for command in commands[1:]),
        "@VALUED@": _patterns(f"{command.name} {name}" for command in commands for name in command.valued),
    }
    text = _TEXT
    for mark, part in parts.items():
        text = text.replace(mark, part)
    return text


def _values(root: Command, commands: Iterable[Command]) -> str:
    """Return what is printed for each place, the places that are alike together."""
    found: dict[str, list[str]] = {}
    for command in commands:
        for place, value in command.places.items():
            action = _action(root, value)
            if action:
                names = _numbered(place) if place.endswith("+") else [place]
                found.setdefault(action, []).extend(f"{command.name} {name}" for name in names)
    return "\n".join(_case(names, action) for action, names in found.items())


def _numbered(place: str) -> list[str]:
    """Return the patterns of all places from a number on."""
    return [str(number) for number in range(int(place[:-1]), 10)] + ["??"]


def _action(root: Command, value: Value) -> str:
    file = names_file(value)
    actions = [f"__omlx_names {file}"] if file else []
    offered = words(root, value)
    actions += [_printing(offered)] if offered else []
    actions += ["__fish_complete_path (commandline -ct)"] if value.kind in FILES else []
    actions += ["__fish_complete_directories (commandline -ct)"] if value.kind is Kind.FOLDER else []
    return "; ".join(actions)


def _case(names: Iterable[str], action: str) -> str:
    return f"        case {_patterns(names)}\n            {action}"


def _patterns(names: Iterable[str]) -> str:
    return " ".join(f"'{name}'" for name in names)


def _printing(lines: Iterable[str]) -> str:
    return "printf '%s\\n' " + " ".join(_quoted(line) for line in lines)


def _line(word: str, text: str) -> str:
    return f"{word}\t{text}"


def _quoted(text: str) -> str:
    return "'" + text.replace("\\", "\\\\").replace("'", "\\'") + "'"
