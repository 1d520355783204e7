"""The installation: which omlx the PATH finds, which others there are, and the shim."""

from __future__ import annotations

import shlex
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path

from omlx_cli import __version__
from omlx_cli.contract import files
from omlx_cli.contract.paths import Paths
from omlx_cli.diagnosis.check import Check, broken, ok, warn
from omlx_cli.diagnosis.program import TIMEOUT_S, Program, on_path
from omlx_cli.diagnosis.subject import Subject
from omlx_cli.installation import shim

WAITS_S = 4 * TIMEOUT_S
"""More than so many other omlx that hang are not to be expected on a PATH."""
_INSTALL_SHIM = "omlx self install-shim"


def checks(subject: Subject) -> Iterator[Check]:
    """Yield where this omlx is, what the PATH finds, and how the shim fares."""
    yield ok("omlx", f"omlx {__version__} in {sys.prefix}")
    programs = on_path(subject.environ)
    yield from path(programs, subject.paths, subject.environ)
    if subject.paths.shim.exists():
        yield of_shim(subject.paths.shim)


def path(programs: list[Program], paths: Paths, environ: Mapping[str, str]) -> Iterator[Check]:
    """Yield what a shell finds when somebody types `omlx`."""
    if not programs:
        yield warn("path", "the PATH finds no omlx", _put_on_path(paths, environ))
        return
    first, *others = programs
    if _is_this(first):
        yield ok("path", f"the PATH finds {first.path}")
    elif not first.can_run:
        yield broken("path", f"{first.path} starts {first.python}, which is gone", first.remover())
    else:
        version = first.version()
        found = f"the PATH finds {first.path} first, {_described(version)}"
        yield warn("path", found, first.remover() if version else _put_on_path(paths, environ))
    for other in others:
        if not _is_this(other) and (version := other.version()):
            yield warn("path", f"{other.path} is another installation, {_described(version)}", other.remover())


def of_shim(file: Path) -> Check:
    """Return what to say of a shim that is there."""
    found = Program.read(file)
    if not found.can_run:
        text = f"{file} starts {found.python}, which is gone"
        return broken("shim", text, f"{shlex.quote(sys.executable)} -I -m omlx_cli self install-shim")
    if files.read_text(file, errors="replace") != shim.of_this_installation():
        return warn("shim", f"{file} does not start this omlx, but {found.python or 'something else'}", _INSTALL_SHIM)
    return ok("shim", f"{file} starts this omlx")


def _is_this(program: Program) -> bool:
    return program.prefix == Path(sys.prefix).resolve()


def _described(version: str) -> str:
    return f"omlx {version}" if version else "which is no omlx of this kind"


def _put_on_path(paths: Paths, environ: Mapping[str, str]) -> str:
    """Return the command that has the shell find omlx, once the shim is there."""
    if not paths.shim.exists():
        return f"{shlex.quote(sys.executable)} -I -m omlx_cli self install-shim"
    folder = shlex.quote(str(paths.shim.parent))
    shell = Path(environ.get("SHELL", "")).name
    if shell == "fish":
        return f"fish_add_path {folder}"
    profile = {"zsh": "~/.zshrc", "bash": "~/.bash_profile" if sys.platform == "darwin" else "~/.bashrc"}
    return f"echo 'export PATH={folder}:\"$PATH\"' >> {profile.get(shell, '~/.profile')}"
