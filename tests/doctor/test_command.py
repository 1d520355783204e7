"""The command: areas, order, exit codes, JSON, the look on a terminal."""

from __future__ import annotations

import json
import shlex
import subprocess
import sys
from importlib import import_module
from pathlib import Path

import pytest

from omlx_cli.contract.paths import Paths
from omlx_cli.diagnosis import shown
from omlx_cli.diagnosis.areas import AREAS
from omlx_cli.diagnosis.check import Check, Verdict
from omlx_cli.installation import shim
from tests.cli.conftest import Omlx, omlx_on_a_terminal, omlx_process
from tests.doctor.conftest import Look

QUIET = ("settings", "home", "daemon", "port")
"""Areas that are looked at in no time."""


def test_every_area_is_looked_at_in_order(omlx: Omlx, paths: Paths) -> None:
    paths.config.write_text("[server]\nport = 0\n")
    ran = omlx("doctor", "--json")
    checks = json.loads(ran.out)["checks"]
    assert list(dict.fromkeys(check["area"] for check in checks)) == list(AREAS)
    assert {check["verdict"] for check in checks} <= {"ok", "warning"}, checks
    assert (ran.code, ran.err) == (0, "")
    assert not paths.daemon_info.exists() and not paths.boot_log.exists() and not paths.cache.exists()


def test_areas_are_chosen_and_completed(omlx: Omlx) -> None:
    ran = omlx("doctor", "port", "home", "--json")
    assert [check["area"] for check in json.loads(ran.out)["checks"]] == ["home", "port"]
    assert omlx("doctor", "liver").code == 2
    help_text = omlx("doctor", "--help").out
    assert all(f"    {name:9} {text}\n" in help_text for name, text in AREAS.items())


@pytest.mark.parametrize("name", AREAS)
def test_every_area_is_a_module_with_one_interface(name: str) -> None:
    assert callable(import_module(f"omlx_cli.diagnosis.{name}").checks)


def test_text_says_the_same_and_ends_with_a_sum(omlx: Omlx, paths: Paths) -> None:
    paths.home.chmod(0o755)
    paths.config.write_text("[servr]\n")
    ran = omlx("doctor", *QUIET)
    lines = ran.out.splitlines()
    assert lines[:3] == [
        f"home      warning  others can look into {paths.home}",
        f"                   fix: chmod 700 {paths.home}",
        f"settings  broken   {paths.config}: servr is no setting of this omlx; a newer one may have it",
    ]
    assert ran.err == "1 broken, 1 warning\n"
    assert ran.code == 1
    paths.config.unlink()
    assert (omlx("doctor", *QUIET).code, omlx("doctor", "-q", *QUIET).err) == (0, "")
    paths.home.chmod(0o700)
    assert omlx("doctor", "home").err == "all is well\n"


def test_on_a_terminal_lines_are_wrapped_and_coloured(paths: Paths) -> None:
    paths.home.chmod(0o755)
    paths.config.write_text(f"[{'servr' * 10}]\n")
    for variables, coloured in (({}, True), ({"NO_COLOR": "1"}, False), ({"TERM": "dumb"}, False)):
        terminal = omlx_on_a_terminal("doctor", *QUIET, **{"NO_COLOR": "", **variables})
        text = terminal.read()
        terminal.close()
        assert ("\x1b[33mwarning\x1b[0m" in text, "\x1b[31mbroken\x1b[0m" in text) == (coloured, coloured)
        plain = text.replace("\x1b[33m", "").replace("\x1b[31m", "").replace("\x1b[32m", "").replace("\x1b[0m", "")
        lines = plain.splitlines()
        assert all(len(line) <= 80 or " " not in line[19:] or "fix: " in line for line in lines), plain
        assert {len(line) - len(line.lstrip()) for line in lines if line.startswith(" ")} == {19}
        assert sum(line.startswith("settings  broken   ") for line in lines) == 1


def test_a_check_that_cannot_be_made_is_broken_and_the_others_go_on(
    look: Look, paths: Paths, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(path: Path) -> None:
        raise OSError(5, "Input/output error", str(path))

    monkeypatch.setattr("omlx_cli.diagnosis.home.problems", fail)
    home, settings = look("home", "settings")
    assert (home.verdict, settings.verdict) == (Verdict.BROKEN, Verdict.OK)
    assert home.found.startswith("this cannot be looked at: ") and home.fix == "OMLX_DEBUG=1 omlx doctor home"


def test_it_imports_no_mlx_and_no_daemon() -> None:
    code = (
        "import sys; from omlx_cli import cli; cli.main(['doctor', '--json']);"
        "print(sorted(sys.modules.keys() & {'mlx', 'mlx.core', 'omlx_daemon', 'litestar', 'numpy', 'textual'}), "
        "file=sys.stderr)"
    )
    done = subprocess.run([sys.executable, "-I", "-c", code], capture_output=True, text=True, timeout=100, check=True)
    assert done.stderr == "[]\n"


def test_every_fix_is_a_command_and_whatever_is_not_well_has_one(look: Look, paths: Paths) -> None:
    paths.home.chmod(0o755)
    paths.config.write_text("[server]\nport = 'x'\n")
    paths.models.rmdir()
    paths.models.write_text("")
    shim.install(paths.shim)
    paths.shim.write_text(shim.render("/gone/bin/python", "/gone"))
    checks = look("install", "home", "settings", "port", "agents", OPENAI_BASE_URL="nonsense")
    ailing = [check for check in checks if check.verdict is not Verdict.OK]
    assert len(ailing) >= 6
    assert all(shlex.split(check.fix) for check in ailing)
    assert [check.fix for check in checks if check.verdict is Verdict.OK and check.fix] == []


def test_names_do_not_steer_the_terminal() -> None:
    check = Check(name="port", verdict=Verdict.BROKEN, found="used by \x1b[2Jevil", fix="kill \x1b[0m", area="port")
    assert "\x1b" not in shown.check(check)


def test_a_home_with_an_odd_path_is_quoted(tmp_path: Path) -> None:
    home = tmp_path / "it's a $home"
    home.mkdir(mode=0o755)
    ran = omlx_process("doctor", "home", "--json", OMLX_HOME=str(home))
    (check,) = json.loads(ran.out)["checks"]
    assert shlex.split(check["fix"]) == ["chmod", "700", str(home)]
