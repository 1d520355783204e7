"""Real shells on a terminal, with omlx's completion loaded.

There is nothing on their PATH but `ls`, with which fish lists files: completion starts no process.
"""

from __future__ import annotations

import contextlib
import re
import shutil
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pexpect

ROOT = Path(__file__).parents[2]
COMPLETIONS = ROOT / "completions"
_ESCAPES = re.compile(r"\x1b(\[[0-?]*[ -/]*[@-~]|\][^\x07\x1b]*(\x07|\x1b\\)|[()][A-Z0-9]|[=>])|[\x07\r]")
_START = {
    "bash": ("--norc", "--noprofile", "-i"),
    "zsh": ("-f", "-i"),
    "fish": ("--no-config", "--private", "-i"),
}
_SET_UP = {
    "bash": "PS1='> '; bind 'set enable-bracketed-paste off'; . '{completions}/omlx.bash'",
    "zsh": "PS1='> '; unset zle_bracketed_paste; fpath=('{completions}' $fpath); autoload -Uz compinit; compinit -D -u;"
    " zle -C all-matches complete-word _generic; bindkey '\\e*' all-matches;"
    " zstyle ':completion:all-matches:*' insert yes;"
    " zstyle ':completion:all-matches::::' completer _all_matches _complete",
    "fish": "function fish_prompt; echo '> '; end; set -g fish_autosuggestion_enabled 0;"
    " source '{completions}/omlx.fish'",
}
TAB, ALL, HOME, END = "\t", "\x1b*", "\x01", "\x05"


@dataclass
class Shell:
    """One interactive shell; `close` ends it. What it would run that is no part of it is an error it shows."""

    name: str
    folder: Path
    home: Path
    _child: Any = field(init=False)

    def __post_init__(self) -> None:
        program, ls = shutil.which(self.name), shutil.which("ls")
        assert program
        assert ls
        tools = self.home / "tools"
        tools.mkdir()
        (tools / "ls").symlink_to(ls)
        spawn: Any = pexpect.spawn
        self._child = spawn(
            program,
            list(_START[self.name]),
            cwd=str(self.folder),
            env={"HOME": str(self.folder), "OMLX_HOME": str(self.home), "TERM": "xterm", "PATH": str(tools),
                 "LANG": "C.UTF-8"},
            dimensions=(50, 500),
            timeout=60,
            encoding="utf-8",
        )  # fmt: skip
        self.run(_SET_UP[self.name].format(completions=COMPLETIONS))

    def run(self, command: str) -> str:
        """Run a line and return what it prints."""
        self._child.sendline(f"{command}; echo DO''NE")
        self._child.expect(r"DONE\r?\n")
        return _plain(self._child.before)

    def complete(self, line: str, key: str = TAB) -> str:
        """Type `line` and a key that completes it; return the words of the line, a blank between two."""
        # What was completed is given to echo; the mark in front is in two halves, so that only its output has it whole.
        self._child.send(f"{line}{key}")
        self._child.send(f"{HOME}echo 'LI''NE:' {END} ':EN''D'\r")
        self._child.expect(r"LINE: (.*?) ?:END")
        return _plain(self._child.match.group(1)).strip()

    def offered(self, line: str) -> set[str]:
        """Return every word that is offered for the last word of `line`."""
        if self.name == "fish":
            escaped = line.replace("'", "\\'")
            found = self.run(f"complete -C '{escaped}' | string replace -r '\\t.*' ''").splitlines()
            return {text.strip() for text in found[1:] if text.strip()}
        head = line.rpartition(" ")[0]
        return set(self.complete(line, ALL).removeprefix(head).split())

    def tab_s(self, typed: str, completed: str) -> float:
        """Return the seconds from the key until the terminal shows what it completed, and take the line back."""
        self._child.delaybeforesend = None
        self._child.send(typed)
        with contextlib.suppress(pexpect.TIMEOUT):
            while True:
                self._child.read_nonblocking(4096, 0.2)
        began_s, shown = time.perf_counter(), ""
        self._child.send(TAB)
        while completed not in shown:
            shown += self._child.read_nonblocking(4096, 5)
        took_s = time.perf_counter() - began_s
        self._child.send("\x15")
        return took_s

    def close(self) -> None:
        """End the shell."""
        self._child.close(force=True)


def _plain(text: str) -> str:
    return _ESCAPES.sub("", text)
