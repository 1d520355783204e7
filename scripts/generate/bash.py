"""The completion script for bash, from version 3.2 on, which macOS ships."""

from __future__ import annotations

from collections.abc import Iterable

from scripts.generate.tree import Command, Value, walk
from scripts.generate.values import names_file, words

_TEXT = r"""# bash 3.2+ completion for omlx. Made by `make generate`; edit scripts/generate/bash.py instead.

_omlx_words() { # WORD...: offers those that begin with $cur
    local word
    for word in "$@"; do
        if [[ $word == "$cur"* ]]; then COMPREPLY[${#COMPREPLY[@]}]=${word#"$head"}; fi
    done
}

_omlx_names() { # FILE: offers the names that omlx keeps there, one a line
    local name file=${OMLX_HOME:-$HOME/.omlx}/run/$1
    [[ -r $file ]] || return 0
    while IFS= read -r name; do
        if [[ $name == "$cur"* ]]; then
            name=${name#"$head"}
            if [[ -z $quote ]]; then printf -v name %q "$name"; fi
            COMPREPLY[${#COMPREPLY[@]}]=$name
        fi
    done <"$file"
}

_omlx_value() { # COMMAND PLACE: offers what is written there
    case "$1 $2" in
@VALUES@
    esac
}

_omlx_below() { # COMMAND: offers its commands
    case $1 in
@COMMANDS@
    esac
}

_omlx_options() { # COMMAND: offers its options
    case $1 in
@OPTIONS@
    esac
}

_omlx() {
    local IFS=$' \t\n' cur="" head="" quote="" option="" piece=${COMP_WORDS[COMP_CWORD]} line=${COMP_LINE:0:$COMP_POINT}
    local path=omlx place=0 plain="" i word words
    COMPREPLY=()
    read -r -a words <<<"$line"
    if [[ $line != *[[:space:]] ]]; then
        cur=${words[${#words[@]}-1]}
        unset "words[${#words[@]}-1]"
        # Readline replaces only what follows the last ':' or '='.
        if [[ $piece == [:=] ]]; then piece=""; fi
        if [[ $cur == *"$piece" ]]; then head=${cur%"$piece"}; fi
    fi
    for ((i = 1; i < ${#words[@]}; i++)); do
        word=${words[i]}
        if [[ -n $option ]]; then option=""; continue; fi
        if [[ -n $plain || $word != -* ]]; then
            case "$path $word" in
            @PATHS@) path="$path $word" ;;
            *) place=$((place + 1)) ;;
            esac
        elif [[ $word == -- ]]; then
            plain=1
        else
            case "$path $word" in
            @VALUED@) option=$word ;;
            esac
        fi
    done
    case $cur in
    [\"\']*) quote=${cur:0:1} cur=${cur:1} head=${head#"$quote"} ;;
    esac
    if [[ -n $option ]]; then
        _omlx_value "$path" "$option"
    elif [[ -z $plain && $cur == --*=* ]]; then
        option=${cur%%=*} cur=${cur#*=} head=${head#"$option="}
        _omlx_value "$path" "$option"
    elif [[ -z $plain && $cur == -* ]]; then
        _omlx_options "$path"
    else
        _omlx_value "$path" $((place + 1))
        if [[ $place == 0 ]]; then _omlx_below "$path"; fi
    fi
}

# Where nothing is offered, files are.
complete -o default -F _omlx omlx
"""


def render(root: Command) -> str:
    """Return the script."""
    commands = walk(root)
    below = [(command.name, f"_omlx_words {_words(command)}") for command in commands if command.commands]
    options = [(command.name, f"_omlx_words {_options(command)}") for command in commands]
    parts = {
        "@VALUES@": _cases(_values(root, commands)),
        "@COMMANDS@": _cases(below),
        "@OPTIONS@": _cases(options),
        "@PATHS@": _pattern(command.name for command in commands[1:]),
        "@VALUED@": _pattern(f"{command.name} {name}" for command in commands for name in command.valued),
    }
    text = _TEXT
    for mark, part in parts.items():
        text = text.replace(mark, part)
    return text


def _values(root: Command, commands: Iterable[Command]) -> list[tuple[str, str]]:
    """Return what is offered in each place, the places that are alike together."""
    found: dict[str, list[str]] = {}
    for command in commands:
        for place, value in command.places.items():
            action = _action(root, value)
            if action:
                found.setdefault(action, []).append(f"{command.name} {place}")
    return [("\n".join(places), action) for action, places in found.items()]


def _action(root: Command, value: Value) -> str:
    file = names_file(value)
    if file:
        return f"_omlx_names {file}"
    offered = words(root, value)
    return f"_omlx_words {' '.join(offered)}" if offered else ""


def _words(command: Command) -> str:
    return " ".join(below.words[-1] for below in command.commands)


def _options(command: Command) -> str:
    return " ".join(name for option in command.options for name in option.names)


def _cases(cases: Iterable[tuple[str, str]]) -> str:
    return "\n".join(f"    {_pattern(names.splitlines())}) {action} ;;" for names, action in cases)


def _pattern(names: Iterable[str]) -> str:
    """Return names as a pattern of `case`; one that ends in `+` stands for all places from its number on."""
    return " | ".join(f"'{name[:-2]}'[{name[-2]}-9]*" if name.endswith("+") else f"'{name}'" for name in names)
