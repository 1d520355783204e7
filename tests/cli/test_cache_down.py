"""`omlx cache` while no daemon runs: on real block files, through a child process that locks the directory."""

from __future__ import annotations

import fcntl
import json
import os
import time
from pathlib import Path

import pexpect
import pytest

from omlx_cli.contract.paths import Paths
from omlx_daemon.coldstore.layout import Layout, block_path
from omlx_daemon.models.current import namespaces as current_namespaces
from tests.cli.conftest import Omlx, omlx_on_a_terminal, omlx_process
from tests.coldstore.blocks import namespace, store
from tests.models.folders import write_model

DAY_S = 86_400
OLD, YOUNG = "ab" * 16, "cd" * 16


@pytest.fixture
def blocks(paths: Paths) -> dict[str, list[Path]]:
    """Return the files of two models: three that were used ten days ago, and two of today."""
    return {"old": _store(paths.cache, OLD, range(3), 10 * DAY_S), "young": _store(paths.cache, YOUNG, range(3, 5), 0)}


def _store(root: Path, fingerprint: str, seeds: range, age_s: float) -> list[Path]:
    space = namespace(root, fingerprint)
    description = json.loads((space / "namespace.json").read_text())
    (space / "namespace.json").write_text(json.dumps({**description, "model": f"model-{fingerprint[:2]}"}))
    files = [block_path(space, store(space, seed, 8192)) for seed in seeds]
    used_s = time.time() - age_s
    for file in files:
        os.utime(file, (used_s, used_s))
    return files


def no_daemon(paths: Paths) -> bool:
    return not paths.daemon_info.exists() and not paths.boot_log.exists() and not paths.socket.exists()


def test_looking(paths: Paths, blocks: dict[str, list[Path]], omlx: Omlx) -> None:
    listed = json.loads(omlx("cache", "ls", "--json").out)["namespaces"]
    assert {row["model"]: row["blocks"] for row in listed} == {"model-ab": 3, "model-cd": 2}
    (row,) = json.loads(omlx("cache", "ls", "--model", "MODEL-CD", "--json").out)["namespaces"]
    assert row["blocks"] == 2
    stats = json.loads(omlx("cache", "stats", "--json").out)
    assert (stats["blocks"], stats["path"], stats["metrics"]) == (5, str(paths.cache), None)
    assert stats["free_bytes"] > 0
    ran = omlx("cache", "stats")
    assert ran.out.splitlines()[0].split() == ["path", str(paths.cache)]
    assert ran.err == "the daemon is not running: what was reused is not counted now\n"
    assert omlx("cache", "path").out == f"{paths.cache}\n"
    assert omlx("cache", "pins").out == "NAME  MODEL  BLOCKS  STORED  PINNED\n"
    assert no_daemon(paths)


def test_the_settings_limits_are_shown(paths: Paths, blocks: dict[str, list[Path]], omlx: Omlx) -> None:
    paths.config.write_text('[cache]\ncold_max_size = "10kB"\nmin_free = "1GB"\n')
    stats = json.loads(omlx("cache", "stats", "--json").out)
    assert (stats["quota_bytes"], stats["min_free_bytes"]) == (10_000, 10**9)
    assert stats["blocks"] == 5, "looking removes nothing, however small the quota"


def test_another_directory(paths: Paths, tmp_path: Path, omlx: Omlx) -> None:
    _store(tmp_path / "kv", OLD, range(1), 0)
    paths.config.write_text(f'[cache]\ndir = "{tmp_path}/kv"\n')
    assert omlx("cache", "path").out == f"{tmp_path}/kv\n"
    assert len(json.loads(omlx("cache", "ls", "--json").out)["namespaces"]) == 1


def test_prune(paths: Paths, blocks: dict[str, list[Path]], omlx: Omlx) -> None:
    ran = omlx("cache", "prune", "--older-than", "7d", "--dry-run")
    assert (ran.code, ran.out.split(", ")[0]) == (0, "would remove 3 files")
    assert omlx("cache", "prune", "--older-than", "7d").code == 6
    assert all(file.exists() for file in blocks["old"])
    disk_bytes = sum(file.stat().st_blocks * 512 for file in blocks["old"])
    ran = omlx("cache", "prune", "--older-than", "7d", "--yes", "--json")
    assert (ran.code, json.loads(ran.out)["size_bytes"]) == (0, disk_bytes)
    assert not any(file.exists() for file in blocks["old"])
    assert all(file.exists() for file in blocks["young"])
    ran = omlx("cache", "prune", "--model", "model-cd", "--larger-than", "1kB", "-y")
    assert (ran.code, ran.out.split(", ")[0]) == (0, "removed 2 files")
    assert no_daemon(paths)


def test_prune_asks_on_a_terminal(blocks: dict[str, list[Path]]) -> None:
    terminal = omlx_on_a_terminal("cache", "prune", "--older-than", "7d")
    terminal.expect("Prune 3 files, .*? \\[y/N\\]: ")
    terminal.sendline("y")
    terminal.expect("removed 3 files, ")
    terminal.expect(pexpect.EOF)
    terminal.close()
    assert terminal.exitstatus == 0
    assert not any(file.exists() for file in blocks["old"])


def test_clear(blocks: dict[str, list[Path]], omlx: Omlx) -> None:
    assert omlx("cache", "clear").code == 6
    assert omlx("cache", "clear", "--model", "model-cd", "--yes").out.startswith("removed 2 files, ")
    assert all(file.exists() for file in blocks["old"])
    assert omlx("cache", "clear", "--yes").out.startswith("removed 3 files, ")
    assert not any(file.exists() for file in blocks["old"])


def test_verify_finds_a_flipped_bit(paths: Paths, blocks: dict[str, list[Path]], omlx: Omlx) -> None:
    assert omlx("cache", "verify").out.endswith(": all good\n")
    broken = blocks["young"][0]
    content = bytearray(broken.read_bytes())
    content[-1] ^= 1
    broken.write_bytes(content)
    ran = omlx("cache", "verify")
    assert ran.code == 1
    assert broken.name in ran.out
    assert ran.out.endswith(": 1 damaged and put aside\n")
    assert not broken.exists()
    ran = omlx("cache", "verify", "--sample", "2", "--json")
    done = json.loads(ran.out.splitlines()[-1])
    assert (ran.code, done["type"], done["report"]["checked"]) == (0, "done", 2)
    assert no_daemon(paths)


def test_a_deep_verification_needs_the_daemon(paths: Paths, blocks: dict[str, list[Path]], omlx: Omlx) -> None:
    ran = omlx("cache", "verify", "--deep")
    assert (ran.code, ran.out) == (4, "")
    assert ran.err == ("error: --deep needs the daemon, which computes with the models\nhint: omlx start  starts it\n")
    assert no_daemon(paths)


def test_nothing_is_incompatible_for_want_of_an_adapter(
    paths: Paths, blocks: dict[str, list[Path]], omlx: Omlx
) -> None:
    write_model(paths.models / "here")
    paths.config.write_text('[models.here]\nadapter = "/no/such/adapter"\n')
    ran = omlx("cache", "prune", "--incompatible", "--yes")
    assert (ran.code, ran.out) == (1, "")
    assert "nothing is removed" in ran.err and "here: its adapter /no/such/adapter cannot be used" in ran.err
    assert all(file.exists() for files in blocks.values() for file in files)
    assert omlx("cache", "stats").code == 0


def test_incompatible_is_what_no_model_here_can_use(paths: Paths, blocks: dict[str, list[Path]], omlx: Omlx) -> None:
    write_model(paths.models / "tiny")
    (current,) = current_namespaces(paths)
    kept = _store(paths.cache, current, range(9, 11), 0)
    rows = json.loads(omlx("cache", "ls", "--json").out)["namespaces"]
    assert {row["namespace"]: row["incompatible"] for row in rows} == {OLD: True, YOUNG: True, current: False}
    rows = json.loads(omlx("cache", "ls", "--incompatible", "--json").out)["namespaces"]
    assert {row["namespace"] for row in rows} == {OLD, YOUNG}
    assert omlx("cache", "prune", "--incompatible").code == 6
    assert omlx("cache", "prune", "--incompatible", "--yes").out.startswith("removed 5 files, ")
    assert all(file.exists() for file in kept)
    (paths.models / "tiny" / "config.json").unlink()
    assert omlx("cache", "prune", "--incompatible", "--yes").out.startswith("removed 2 files, ")
    assert not any(file.exists() for file in kept)
    assert no_daemon(paths)


def test_a_model_that_is_not_there(blocks: dict[str, list[Path]], omlx: Omlx) -> None:
    for words in (("ls",), ("prune", "--yes"), ("clear", "--yes")):
        ran = omlx("cache", words[0], "--model", "model-x", *words[1:])
        assert (ran.code, ran.out) == (3, "")
        assert ran.err == "error: the cache holds nothing of 'model-x'\nhint: it holds model-ab, model-cd\n"


def test_words_that_look_like_options_are_words(blocks: dict[str, list[Path]], omlx: Omlx) -> None:
    assert omlx("cache", "clear", "--model=--pinned", "--yes").code == 3
    ran = omlx("cache", "unpin", "--", "--pinned")
    assert (ran.code, ran.err.splitlines()[0]) == (3, "error: there is no pin '--pinned'")


def test_a_directory_that_another_process_holds(paths: Paths, blocks: dict[str, list[Path]], omlx: Omlx) -> None:
    with Layout(paths.cache).lock.open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        ran = omlx("cache", "ls")
    assert (ran.code, ran.out) == (6, "")
    assert ran.err.startswith("error: ")
    assert json.loads(omlx("cache", "ls", "--json").out)["namespaces"]


def test_no_directory_is_made_to_look_at_nothing(paths: Paths, omlx: Omlx) -> None:
    for words in (("stats",), ("ls",), ("pins",), ("verify",), ("clear", "-y"), ("prune", "--older-than", "7d")):
        assert omlx("cache", *words).code == 0, words
    assert json.loads(omlx("cache", "path", "--json").out)["exists"] is False
    assert not paths.cache.exists()


def test_a_home_that_is_not_there_is_not_made(tmp_path: Path) -> None:
    home = tmp_path / "nowhere"
    assert omlx_process("cache", "stats", OMLX_HOME=str(home)).code == 0
    assert not home.exists()


def test_broken_settings_are_named(paths: Paths, omlx: Omlx) -> None:
    paths.config.write_text('[cache]\ncold_max_size = "much"\n')
    ran = omlx("cache", "stats")
    assert ran.code == 2
    assert "cache.cold_max_size" in ran.err
