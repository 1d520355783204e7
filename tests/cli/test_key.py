"""`omlx key`: keys are told once, kept as digests, and withdrawn by name."""

from __future__ import annotations

import json
import stat
import subprocess

import pytest

from omlx_cli.contract import keys
from omlx_cli.contract.paths import Paths
from tests.cli.conftest import OMLX, Omlx


def test_a_key_is_told_once_and_kept_as_a_digest(omlx: Omlx, paths: Paths) -> None:
    made = omlx("key", "create", "laptop")
    key = made.out.strip()
    assert (made.code, len(made.out.splitlines())) == (0, 1)
    assert len(key) >= 40
    assert "only time" in made.err
    assert "every request over TCP needs a key" in made.err
    assert "every request" not in omlx("key", "create", "second").err
    content = paths.keys.read_text()
    assert key not in content
    assert stat.S_IMODE(paths.keys.stat().st_mode) == 0o600
    holder = keys.read(paths.keys).holder([b"x", key.encode()])
    assert holder is not None
    assert (holder.name, holder.scope, holder.priority) == ("laptop", "inference", "normal")
    listed = omlx("key", "ls").out
    assert "laptop" in listed
    assert key not in listed
    assert holder.digest not in omlx("key", "ls", "--json").out
    assert holder.salt not in omlx("key", "ls", "--json").out


def test_json_for_scripts(omlx: Omlx) -> None:
    made = json.loads(omlx("key", "create", "night", "--priority", "batch", "--scope", "control", "--json").out)
    assert made["info"]["hint"] == made["key"][-4:]
    (listed,) = json.loads(omlx("key", "ls", "--json").out)["keys"]
    assert (listed["name"], listed["scope"], listed["priority"]) == ("night", "control", "batch")
    assert json.loads(omlx("key", "rm", "night", "--json").out)["message"] == "withdrawn: night"
    assert json.loads(omlx("key", "ls", "--json").out)["keys"] == []


def test_each_key_has_prefixes_of_its_own_unless_it_shares(omlx: Omlx, paths: Paths) -> None:
    for words in (("a",), ("b",), ("c", "--share-cache")):
        assert omlx("key", "create", *words).code == 0
    salts = [record.salt for record in keys.read(paths.keys).keys]
    assert len({*salts}) == 3
    assert salts[2] == ""
    assert "shared" in omlx("key", "ls").out


def test_the_last_key_s_withdrawal_says_what_it_means(omlx: Omlx) -> None:
    omlx("key", "create", "a")
    omlx("key", "create", "b")
    assert omlx("key", "rm", "a").err == ""
    assert "need none from now on" in omlx("key", "rm", "b").err


@pytest.mark.parametrize("name", ["", " ", "a\nb", "x" * 101])
def test_a_name_that_is_none(omlx: Omlx, paths: Paths, name: str) -> None:
    ran = omlx("key", "create", name)
    assert (ran.code, ran.out) == (2, "")
    assert "no name for a key" in ran.err
    assert not paths.keys.exists()


def test_what_is_refused_changes_nothing(omlx: Omlx, paths: Paths) -> None:
    omlx("key", "create", "a")
    before = paths.keys.read_bytes()
    taken = omlx("key", "create", "a")
    assert (taken.code, taken.err.splitlines()[1]) == (2, "hint: omlx key rm a  withdraws it")
    missing = omlx("key", "rm", "a", "nobody")
    assert (missing.code, missing.err.splitlines()[0]) == (3, "error: there is no key called 'nobody'")
    assert paths.keys.read_bytes() == before
    paths.keys.write_text("{")
    for words in (("ls",), ("create", "b"), ("rm", "a")):
        broken = omlx("key", *words)
        assert (broken.code, broken.err.count("\n")) == (2, 2)
        assert str(paths.keys) in broken.err
    assert paths.keys.read_text() == "{"


def test_many_at_once_lose_none(paths: Paths) -> None:
    started = [
        subprocess.Popen([*OMLX, "key", "create", f"k{number}"], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)
        for number in range(8)
    ]
    made = [process.communicate(timeout=60)[0].strip() for process in started]
    found = keys.read(paths.keys)
    assert {record.name for record in found.keys} == {f"k{number}" for number in range(8)}
    assert all(found.holder([key]) for key in made)
    assert not [left for left in paths.home.iterdir() if left.name.startswith(".keys")]
