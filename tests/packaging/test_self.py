"""`omlx self`: the shim and the uninstall, with the real daemon in a home of its own."""

from __future__ import annotations

import json
import shlex
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from omlx_cli import processes
from omlx_cli.contract.errors import OmlxError
from omlx_cli.contract.paths import Paths
from omlx_cli.installation import removal, shim
from omlx_cli.installation.removal import Wanted
from tests.e2e.conftest import Home, make_home
from tests.standin.linux import Linux
from tests.standin.mac import Mac
from tests.waiting import wait_until

KEPT = {"models", "cache", "config.toml", "keys.json"}


@pytest.fixture
def home(tmp_path: Path) -> Iterator[Home]:
    """Return a home with a model's folder, some cache and a daemon that ran."""
    home = make_home(tmp_path, None)
    (home.path / "models" / "mine").mkdir()
    (home.path / "models" / "mine" / "config.json").write_text("{}")
    # Answers when the cache directory, too, is made: from then on nothing comes to the home by itself.
    assert home.run("start").returncode == home.run("cache", "stats").returncode == 0
    assert home.run("self", "install-shim").returncode == 0
    assert home.run("key", "create", "laptop").returncode == 0
    (home.path / "downloads" / "locks").mkdir(parents=True)
    (home.path / "downloads" / "locks" / "mine.lock").touch()
    yield home
    home.stop()


def shell(words: str, **environment: str) -> subprocess.CompletedProcess[str]:
    """Run words of a plain POSIX shell."""
    return subprocess.run(
        ["/bin/sh", "-c", words],
        env={"PATH": "/usr/bin:/bin", **environment},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


def test_the_shim_runs_omlx(home: Home) -> None:
    link = home.path / "bin" / "omlx"
    done = shell(f"{link} --version; {link} ps 'a b' \"\" ; {link} status --json", OMLX_HOME=str(home.path))
    lines = done.stdout.splitlines()
    assert lines[0].startswith("omlx ")
    assert "a b" in done.stderr
    assert json.loads(lines[-1])["daemon"]["state"] == "ready"
    assert oct(link.stat().st_mode & 0o777) == "0o755"


def test_the_shim_takes_nothing_from_the_callers_python(home: Home, tmp_path: Path) -> None:
    (tmp_path / "click.py").write_text("raise SystemExit('not ours')\n")
    link = home.path / "bin" / "omlx"
    done = shell(
        f"cd {tmp_path} && {link} --version", PYTHONPATH=str(tmp_path), PYTHONSTARTUP="x", OMLX_HOME="/nowhere"
    )
    assert (done.returncode, done.stderr) == (0, "")


@pytest.mark.parametrize("gone", ["python", "package"])
def test_a_shim_whose_target_is_gone_says_so(tmp_path: Path, gone: str) -> None:
    python, package = tmp_path / "venv's bin" / "python", tmp_path / "pack age"
    for path in (python.parent, package):
        path.mkdir()
    python.write_text('#!/bin/sh\nprintf "[%s]" "$@"\n')
    python.chmod(0o755)
    (package / "__main__.py").touch()
    link = tmp_path / "omlx"
    link.write_text(shim.render(str(python), str(package)))
    assert shell(f"/bin/sh {link} ps 'a b' '$x'").stdout == "[-I][-X][utf8][-m][omlx_cli][ps][a b][$x]"
    shutil.rmtree(python.parent if gone == "python" else package)
    done = shell(f"/bin/sh {link} ps")
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr.splitlines() == [
        f"error: the omlx behind this shim is gone: {package}",
        "hint: install omlx again, then let it run: omlx self install-shim",
    ]


@pytest.mark.skipif(shutil.which("shellcheck") is None, reason="not installed here: shellcheck")
def test_shellcheck_finds_nothing_in_the_shim(tmp_path: Path) -> None:
    link = tmp_path / "omlx"
    link.write_text(shim.render("/a b/python", "/it's/here"))
    done = subprocess.run(["shellcheck", str(link)], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout


def test_a_shim_of_a_keg_goes_by_opt(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    python = tmp_path / "Cellar" / "omlx" / "0.1.0" / "bin" / "python"
    python.parent.mkdir(parents=True)
    python.symlink_to(sys.executable)
    (tmp_path / "opt").mkdir()
    (tmp_path / "opt" / "omlx").symlink_to(python.parents[1])
    monkeypatch.setattr(sys, "executable", str(python))
    assert f"python={shlex.quote(str(tmp_path / 'opt/omlx/bin/python'))}\n" in shim.of_this_installation()


def test_install_shim_tells_what_the_path_lacks(home: Home) -> None:
    folder = home.path / "bin"
    assert f'export PATH="{folder}:$PATH"' in home.run("self", "install-shim").stderr
    environment = {**home.environment, "PATH": f"/usr/bin:/bin:{folder}"}
    words = [sys.executable, "-I", "-m", "omlx_cli", "self", "install-shim"]
    done = subprocess.run(words, env=environment, capture_output=True, text=True, check=True)
    assert (done.stdout, done.stderr) == (f"{folder / 'omlx'}\n", "")
    (home.path.parent / "other").mkdir()
    other = home.path.parent / "other" / "omlx"
    other.symlink_to(folder / "omlx")
    environment["PATH"] = f"{other.parent}:{environment['PATH']}"
    done = subprocess.run(words, env=environment, capture_output=True, text=True, check=True)
    assert done.stderr == f"warning: the PATH finds {other} first\n"


def test_a_home_that_cannot_be_written_is_told_in_one_line(tmp_path: Path) -> None:
    (tmp_path / "home").write_text("a file")
    done = Home(tmp_path / "home").run("self", "install-shim")
    assert done.returncode == 4
    assert done.stderr.startswith("error: cannot make ")
    assert "Traceback" not in done.stderr


def test_path_tells_where_everything_is(home: Home) -> None:
    found = json.loads(home.run("self", "path", "--json").stdout)
    assert found["home"] == str(home.path)
    assert found["shim"] == str(home.path / "bin" / "omlx")
    assert Path(found["package"], "__main__.py").is_file()
    text = home.run("self", "path").stdout
    assert all(f"  {found[name]}\n" in text for name in ("python", "package", "models", "cache", "logs", "socket"))


def test_uninstall_names_what_goes_and_needs_yes_off_a_terminal(home: Home) -> None:
    before = sorted(home.path.rglob("*"))
    done = home.run("self", "uninstall")
    assert done.returncode == 6
    assert done.stderr == "error: nothing was removed\nhint: omlx self uninstall --yes  does not ask\n"
    going, _, staying = done.stdout.partition("stays:\n")
    assert going.startswith("will be removed:\n")
    assert all(str(home.path / name) in going for name in ("bin/omlx", "logs", "run", "{keys.lock,downloads}"))
    assert all(str(home.path / name) in staying for name in ("models", "cache", "{config.toml,keys.json}"))
    assert "--models  removes it" in staying
    assert sorted(home.path.rglob("*")) == before
    assert home.run("status").returncode == 0


def test_a_dry_run_touches_nothing(home: Home) -> None:
    done = home.run("self", "uninstall", "--all", "--dry-run")
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.startswith("would be removed:\n")
    assert "stays" not in done.stdout
    assert home.run("status").returncode == 0


def test_uninstall_keeps_models_cache_and_settings(home: Home) -> None:
    pid = int(str(home.info()["pid"]))
    done = home.run("self", "uninstall", "--yes")
    assert (done.returncode, done.stderr) == (0, "")
    assert "removed; the program itself goes with: " in done.stdout
    assert {path.name for path in home.path.iterdir()} == KEPT
    assert (home.path / "models" / "mine" / "config.json").exists()
    assert not processes.is_daemon(pid)
    again = home.run("self", "uninstall", "--yes", "--all", "--json")
    assert {part["name"] for part in json.loads(again.stdout)["removed"]} >= {"models", "cache", "settings"}
    assert not home.path.exists()
    assert json.loads(home.run("self", "uninstall", "--yes", "--json").stdout)["removed"] == []


def test_a_download_that_was_begun_stays_with_the_models(tmp_path: Path) -> None:
    home = make_home(tmp_path, None)
    part = home.path / "downloads" / "mine" / "weights.part"
    part.parent.mkdir(parents=True)
    part.write_bytes(bytes(1000))
    done = home.run("self", "uninstall", "--yes")
    assert f"{home.path / 'downloads'} (1.0 kB)  --models  removes it" in done.stdout
    assert part.exists()
    assert home.run("self", "uninstall", "--yes", "--models", "--config").returncode == 0
    assert not part.exists()


def test_a_cache_folder_that_is_shared_loses_only_what_is_the_caches(tmp_path: Path) -> None:
    home, shared = make_home(tmp_path, None), tmp_path / "shared"
    (shared / "kv-v1" / "abcdef01").mkdir(parents=True)
    (shared / "photos").mkdir()
    (shared / "pins.json").write_text("{}")
    (home.path / "config.toml").write_text(f"[server]\nport = 0\n[cache]\ndir = {str(shared)!r}\n")
    assert home.run("self", "uninstall", "--cache", "--yes").returncode == 0
    assert [path.name for path in shared.iterdir()] == ["photos"]


def test_links_go_and_what_they_point_to_stays(tmp_path: Path) -> None:
    home, elsewhere = make_home(tmp_path, None), tmp_path / "elsewhere"
    elsewhere.mkdir()
    (elsewhere / "weights").write_text("precious")
    (home.path / "models").rmdir()
    (home.path / "models").symlink_to(elsewhere)
    assert home.run("self", "uninstall", "--all", "--yes").returncode == 0
    assert (elsewhere / "weights").read_text() == "precious"
    assert not home.path.exists()


def test_what_cannot_be_removed_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    home = make_home(tmp_path, None)
    (home.path / "logs").mkdir()
    paths = Paths(home.path)
    plan = removal.plan(paths, home.path / "cache", Wanted(models=False, cache=False, config=False))

    def refuse(path: str | Path) -> None:
        raise PermissionError(13, "Permission denied", str(path))

    monkeypatch.setattr(shutil, "rmtree", refuse)
    with pytest.raises(OmlxError, match=r"cannot remove .*logs: Permission denied"):
        removal.carry_out(plan.going, paths, home.path / "cache")


def test_uninstall_takes_the_service_away(tmp_path: Path, launchd_library: str) -> None:
    mac = Mac(tmp_path, launchd_library)
    try:
        mac.well("service", "enable")
        assert mac.plist.exists()
        said = mac.well("self", "uninstall", "--yes")
        assert str(mac.plist) in said
        assert not mac.plist.exists()
        wait_until(lambda: not mac.job())
        mac.wait_gone()
    finally:
        mac.close()


def test_uninstall_takes_the_units_away(tmp_path: Path) -> None:
    linux = Linux(tmp_path)
    try:
        assert linux.omlx("service", "enable").returncode == 0
        assert list(linux.units.glob("omlx.*"))
        linux.well("self", "uninstall", "--yes")
        assert not list(linux.units.glob("omlx.*"))
        linux.wait_gone()
    finally:
        linux.close()


def test_a_service_of_another_program_stays_and_is_named(tmp_path: Path, launchd_library: str) -> None:
    mac = Mac(tmp_path, launchd_library)
    try:
        mac.write_definition({"Label": "homebrew.mxcl.omlx", "ProgramArguments": [sys.executable]})
        said = mac.well("self", "uninstall", "--yes")
        assert f"{mac.plist}  brew services stop omlx  removes it" in said
        assert mac.plist.exists()
    finally:
        mac.close()
