"""The completion script for zsh."""

from __future__ import annotations

from collections.abc import Iterable

from scripts.generate.tree import Argument, Command, Kind, Option, Value, walk
from scripts.generate.values import FILES, names_file, words

_HEAD = r"""#compdef omlx
# zsh completion for omlx. Made by `make generate`; edit scripts/generate/zsh.py instead.

_omlx_names() { # FILE: offers the names that omlx keeps there, one a line
  local file=${OMLX_HOME:-$HOME/.omlx}/run/$1 expl
  local -a names
  [[ -r $file ]] && names=("${(@f)$(<$file)}")
  _wanted models expl model compadd -a -- names
}

_omlx_source() { # WORD...: offers names of the catalog, and files
  local expl
  _alternative 'models:model:compadd -- '"${(j: :)@}" 'files:file:_files'
}
"""
_TAIL = """
if [[ ${funcstack[1]} == _omlx ]]; then
  _omlx "$@"
else
  compdef _omlx omlx
fi
"""


def render(root: Command) -> str:
    """Return the script."""
    return "\n".join([_HEAD, *(_function(root, command) for command in reversed(walk(root)))]) + _TAIL


def _function(root: Command, command: Command) -> str:
    specs = [spec for option in command.options for spec in _option(root, option)]
    if command.commands:
        return _group(command, specs)
    specs += [_argument(root, number, argument) for number, argument in enumerate(command.arguments, 1)]
    lines = " \\\n    ".join(specs)
    return f"{_name(command)}() {{\n  _arguments -s -S \\\n    {lines}\n}}\n"


def _group(command: Command, specs: Iterable[str]) -> str:
    lines = " \\\n    ".join([*specs, "'1: :->command'", "'*:: :->words'"])
    below = "\n".join(f"      {_quoted(_item(found))}" for found in command.commands)
    return f"""{_name(command)}() {{
  local context state state_descr line
  typeset -A opt_args
  _arguments -C -S \\
    {lines}
  case $state in
  command)
    local -a commands=(
{below}
    )
    _describe -t commands command commands
    ;;
  words)
    (( $+functions[{_name(command)}_${{words[1]//-/_}}] )) && {_name(command)}_${{words[1]//-/_}}
    ;;
  esac
}}
"""


def _name(command: Command) -> str:
    return "_" + "_".join(command.words).replace("-", "_")


def _item(command: Command) -> str:
    return f"{command.words[-1]}:{command.summary}"


def _option(root: Command, option: Option) -> list[str]:
    """Return a spec for each name; one excludes the others, and itself unless it repeats."""
    text = _escaped(option.help)
    shut = "*" if option.repeats else f"({' '.join(option.names)})"
    found = []
    for name in option.names:
        mark = ("=" if name.startswith("--") else "+") if option.value else ""
        value = f":{_escaped(option.value.label)}:{_action(root, option.value)}" if option.value else ""
        found.append(_quoted(f"{shut}{name}{mark}[{text}]{value}"))
    return found


def _argument(root: Command, number: int, argument: Argument) -> str:
    place = "*" if argument.repeats else str(number)
    colons = ":" if argument.required or argument.repeats else "::"
    return _quoted(f"{place}{colons}{_escaped(argument.value.label)}:{_action(root, argument.value)}")


def _action(root: Command, value: Value) -> str:
    file = names_file(value)
    if file:
        return f" _omlx_names {file}"
    offered = " ".join(words(root, value))
    if value.kind is Kind.SOURCE:
        return f" _omlx_source {offered}"
    if offered:
        return f"({offered})"
    return {Kind.FOLDER: "_files -/"}.get(value.kind, "_files" if value.kind in FILES else " ")


def _escaped(text: str) -> str:
    for mark in "\\[]:":
        text = text.replace(mark, f"\\{mark}")
    return text


def _quoted(text: str) -> str:
    return "'" + text.replace("'", "'\\''") + "'"
