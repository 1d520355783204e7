"""A cache directory that fails costs what is in it, and nothing else."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from omlx_cli.contract import routes
from tests.cachewire.driving import ANSWER_TOKENS, Client, story, until
from tests.e2e.conftest import make_home
from tests.waiting import delete

PROMPT = story(40)
BLOCK_BYTES = 4 << 20
"""About what a block of the random model takes."""


def configure(client: Client, text: str) -> None:
    with (client.home.path / "config.toml").open("a") as config:
        config.write(f"[cache]\n{text}\n")


def works_from_memory(client: Client) -> None:
    first = client.ask(PROMPT)
    again = client.ask(PROMPT)
    assert (again.hot, again.cold) == (39, 0)
    assert again.tokens == first.tokens


def test_a_directory_that_cannot_be_made_leaves_the_memory_until_it_can(client: Client, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("no directory")
    configure(client, f'dir = "{tmp_path / "file" / "cache"}"')
    client.load()
    works_from_memory(client)
    stats = client.call("GET", routes.CACHE_STATS)
    assert stats["state"] == "degraded"
    assert "cannot be used" in stats["reason"]
    assert client.log().count("the KV cache is in memory alone") == 1
    refused = client.home.run("cache", "verify")
    assert refused.returncode == 1
    assert refused.stderr.startswith("error: there is no cache on disk: ")
    (tmp_path / "file").unlink()
    until(lambda: client.call("GET", routes.CACHE_STATS)["state"] == "ok")
    assert client.ask(PROMPT).hot == 39
    until(lambda: client.metrics()["bytes_written"])
    assert client.log().count("the KV cache is in memory alone") == 1
    assert client.log().count("the KV cache is on disk too") == 1
    client.restart()
    assert client.ask(PROMPT).cold == 39


def test_a_second_daemon_on_one_directory_keeps_to_memory(client: Client, tmp_path: Path, tiny_path: Path) -> None:
    client.load()
    client.ask(PROMPT)
    client.await_files(40 + ANSWER_TOKENS)
    (tmp_path / "other").mkdir()
    other = Client(make_home(tmp_path / "other", tiny_path))
    configure(other, f'dir = "{client.cache}"')
    try:
        other.load()
        works_from_memory(other)
        assert "is in use by another process" in other.call("GET", routes.CACHE_STATS)["reason"]
        assert other.log().count("the KV cache is in memory alone") == 1
    finally:
        other.home.stop()
    assert len(client.files()) == 1
    assert client.ask(PROMPT).hot == 39


def test_damage_and_deletion_cost_what_they_hit(client: Client) -> None:
    client.load()
    prompt = story(520)
    first = client.ask(prompt)
    client.await_files(520 + ANSWER_TOKENS)
    flip_a_bit_of_the_second_block(client)
    client.restart()
    again = client.ask(prompt)
    assert (again.tokens, again.cold) == (first.tokens, 256)
    client.await_files(520 + ANSWER_TOKENS)
    until(lambda: client.figures()["cold"]["quarantined"] == 1)

    assert client.ask(prompt).computed == 1
    delete(client.cache)
    assert client.ask(prompt).hot == 519
    until(lambda: client.ask(story(40, seed=9)) and client.files())
    until(lambda: client.call("GET", routes.CACHE_STATS)["state"] == "ok")


def flip_a_bit_of_the_second_block(client: Client) -> None:
    (head,) = [file for file in client.files() if not client.continues_another(file)]
    (second,) = [file for file in client.files() if f"-{head.name[:16]}-" in file.name]
    with second.open("r+b") as file:
        file.seek(-1000, 2)
        byte = file.read(1)
        file.seek(-1000, 2)
        file.write(bytes([byte[0] ^ 1]))


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """Return the mount point of a file system with room for one block."""
    path = tmp_path / "disk"
    path.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=7m", "tmpfs", str(path)]
    if sys.platform != "linux" or subprocess.run(mount, capture_output=True, check=False).returncode:
        pytest.skip("this system lets no test mount a file system")
    yield path
    subprocess.run(["umount", "-l", str(path)], check=True)


def test_a_full_disk_and_a_read_only_one_are_served_on(client: Client, small_disk: Path) -> None:
    configure(client, f'dir = "{small_disk / "cache"}"\ncold_max_size = "1GB"\nmin_free = "0"')
    client.load()
    first = client.ask(story(520))
    assert (client.ask(story(520)).tokens, client.ask(story(520)).hot) == (first.tokens, 519)
    until(lambda: client.figures()["cold"]["parts"] >= 1)
    # While something is being written there, or tried out, it stays as it is.
    until(lambda: not subprocess.run(["mount", "-o", "remount,ro", str(small_disk)], check=False).returncode)
    assert client.ask(story(520)).hot == 519
    assert client.ask(story(40, seed=8)).computed == 40
    assert client.ask(story(40, seed=8)).hot == 39


def test_a_quota_is_kept_to_the_byte(client: Client) -> None:
    quota_bytes = 5 * BLOCK_BYTES // 2
    configure(client, f'cold_max_size = "{quota_bytes}"')
    client.load()
    for seed in range(3):
        client.ask(story(260, seed=seed), max_tokens=1)
        # Nothing moves while it is summed up: what moves may count twice.
        client.await_written(260 * (seed + 1))
        assert disk_bytes(client.cache) <= quota_bytes
    until(lambda: client.metrics()["evictions"] >= 1)
    assert client.ask(story(260, seed=2), max_tokens=1).computed == 1


def disk_bytes(path: Path) -> int:
    return sum(found.lstat().st_blocks * 512 for found in (path, *path.rglob("*")))


def test_no_cache_keeps_nothing(client: Client) -> None:
    configure(client, "enabled = false")
    client.load()
    assert client.ask(PROMPT).computed == client.ask(PROMPT).computed == 40
    assert not client.cache.exists()
    figures = client.figures()
    assert (figures["enabled"], figures["why_off"]) == (False, "cache.enabled is false")
