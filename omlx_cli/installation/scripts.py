"""The completion scripts: files of the distribution, beside the program or in the source tree."""

from __future__ import annotations

import sys
from pathlib import Path

from omlx_cli.contract.api import Reply
from omlx_cli.contract.errors import Code, OmlxError

_TREE = Path(__file__).parents[2]
_FILES = {
    "bash": ("omlx.bash", "share/bash-completion/completions/omlx"),
    "zsh": ("_omlx", "share/zsh/site-functions/_omlx"),
    "fish": ("omlx.fish", "share/fish/vendor_completions.d/omlx.fish"),
}
"""For each shell the name in the source tree, and the place in an installation."""


class Script(Reply, frozen=True, kw_only=True):
    """Answer of `omlx completion --json`."""

    shell: str
    script: str


def read(shell: str) -> str:
    """Return a shell's completion script. Raises OmlxError(NOT_FOUND)."""
    name, installed = _FILES[shell]
    for path in (_TREE / "completions" / name, Path(sys.prefix) / installed):
        try:
            return path.read_text(encoding="utf-8")
        except OSError:
            continue
    raise OmlxError(
        Code.NOT_FOUND, f"this installation has no completion script for {shell}", "install omlx again as a package"
    )
