"""Which omlx the PATH finds, and the shim."""

from __future__ import annotations

import os
import shlex
import sys
from pathlib import Path

import pytest

from omlx_cli import __version__
from omlx_cli.contract.paths import Paths
from omlx_cli.diagnosis.check import Verdict
from omlx_cli.diagnosis.program import Program, on_path
from omlx_cli.installation import shim
from tests.doctor.conftest import Look, only

OWN = f"#!{sys.executable}\nimport sys\n"


def put(file: Path, text: str) -> Path:
    """Write an executable."""
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(text)
    file.chmod(0o755)
    return file


def other_install(folder: Path, version: str = "0.0.9") -> Path:
    """Return another omlx, of a Python that is there, which tells its version."""
    python = put(folder / "bin" / "python3", f"#!/bin/sh\necho omlx {version}\n")
    return put(folder / "bin" / "omlx", f"#!{python}\n")


def test_one_that_the_path_finds(look: Look, tmp_path: Path) -> None:
    file = put(tmp_path / "bin" / "omlx", OWN)
    omlx, path = look("install")
    assert omlx.found == f"omlx {__version__} in {sys.prefix}"
    assert (path.verdict, path.found) == (Verdict.OK, f"the PATH finds {file}")


def test_a_link_and_the_shim_are_no_other_installation(look: Look, tmp_path: Path, paths: Paths) -> None:
    file = put(tmp_path / "bin" / "omlx", OWN)
    (tmp_path / "links").mkdir()
    (tmp_path / "links" / "omlx").symlink_to(file)
    shim.install(paths.shim)
    places = os.pathsep.join(str(folder) for folder in (paths.shim.parent, tmp_path / "links", tmp_path / "bin"))
    checks = look("install", PATH=places)
    assert {check.verdict for check in checks} == {Verdict.OK}
    assert only(checks, "shim").found == f"{paths.shim} starts this omlx"


def test_none_that_the_path_finds(look: Look, paths: Paths, tmp_path: Path) -> None:
    assert only(look("install"), "path").fix == f"{sys.executable} -I -m omlx_cli self install-shim"
    shim.install(paths.shim)
    folder = paths.shim.parent
    for shell, fix in (
        ("/bin/zsh", f"echo 'export PATH={folder}:\"$PATH\"' >> ~/.zshrc"),
        ("/usr/bin/fish", f"fish_add_path {folder}"),
        ("", f"echo 'export PATH={folder}:\"$PATH\"' >> ~/.profile"),
    ):
        check = only(look("install", SHELL=shell), "path")
        assert (check.verdict, check.fix) == (Verdict.WARNING, fix)


def test_another_one_first_and_another_one_behind(look: Look, tmp_path: Path) -> None:
    other = other_install(tmp_path / "other")
    own = put(tmp_path / "own" / "bin" / "omlx", OWN)
    first, second = (str(path.parent) for path in (other, own))
    check = only(look("install", PATH=f"{first}{os.pathsep}{second}"), "path")
    assert (check.verdict, check.found) == (Verdict.WARNING, f"the PATH finds {other} first, omlx 0.0.9")
    assert check.fix == f"{tmp_path}/other/bin/python3 -m pip uninstall omlx"
    _, well, behind = look("install", PATH=f"{second}{os.pathsep}{first}")
    assert well.verdict is Verdict.OK
    assert (behind.verdict, behind.found) == (Verdict.WARNING, f"{other} is another installation, omlx 0.0.9")


def test_a_program_of_the_same_name_that_is_something_else(look: Look, tmp_path: Path) -> None:
    file = put(tmp_path / "bin" / "omlx", "#!/bin/sh\necho hello\n")
    check = only(look("install"), "path")
    assert check.found == f"the PATH finds {file} first, which is no omlx of this kind"
    assert check.fix.endswith("self install-shim")


def test_one_whose_python_is_gone(look: Look, tmp_path: Path) -> None:
    file = put(tmp_path / "bin" / "omlx", f"#!{tmp_path}/gone/bin/python3.12\n")
    check = only(look("install"), "path")
    assert (check.verdict, check.found) == (
        Verdict.BROKEN, f"{file} starts {tmp_path}/gone/bin/python3.12, which is gone",
    )  # fmt: skip
    assert check.fix == f"{tmp_path}/gone/bin/python3.12 -m pip uninstall omlx" or check.fix == f"rm {file}"


@pytest.mark.parametrize(("folders", "command"), [(("pipx", "venvs"), "pipx"), (("uv", "tools"), "uv tool")])
def test_who_installed_it_removes_it(tmp_path: Path, folders: tuple[str, str], command: str) -> None:
    file = other_install(tmp_path.joinpath(*folders, "omlx"))
    assert Program.read(file).remover() == f"{command} uninstall omlx"
    keg = other_install(tmp_path / "Cellar" / "omlx" / "1" / "libexec")
    assert Program.read(keg).remover() == "brew uninstall omlx"


def test_a_pipe_in_the_shims_place_is_not_waited_for(look: Look, paths: Paths) -> None:
    paths.shim.parent.mkdir(exist_ok=True)
    os.mkfifo(paths.shim)
    check = look("install")[-1]
    assert check.verdict is Verdict.BROKEN
    assert "it is a pipe" in check.found and str(paths.shim) in check.found


def test_shims(look: Look, paths: Paths, tmp_path: Path) -> None:
    shim.install(paths.shim)
    paths.shim.write_text(shim.render(f"{tmp_path}/it's gone/bin/python", "/nowhere"))
    check = only(look("install"), "shim")
    assert (check.verdict, check.found) == (
        Verdict.BROKEN, f"{paths.shim} starts {tmp_path}/it's gone/bin/python, which is gone",
    )  # fmt: skip
    assert shlex.split(check.fix) == [sys.executable, "-I", "-m", "omlx_cli", "self", "install-shim"]
    paths.shim.write_text(shim.render("/bin/sh", "/nowhere"))
    assert only(look("install"), "shim").verdict is Verdict.WARNING


def test_long_interpreters_and_folders_without_a_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = put(tmp_path / "omlx", "#!/bin/sh\n'''exec' \"/a b/bin/python3\" \"$0\" \"$@\"\n' '''\n")
    assert Program.read(file).python == "/a b/bin/python3"
    monkeypatch.chdir(tmp_path)
    assert [program.path for program in on_path({"PATH": f"{os.pathsep}/nowhere"})] == [Path("omlx")]
    assert on_path({"PATH": ""}) != []
    file.chmod(0o644)
    assert on_path({"PATH": str(tmp_path)}) == []
