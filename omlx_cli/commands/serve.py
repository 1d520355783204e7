"""`omlx serve`: the daemon in the foreground, for containers and service managers."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import click

from omlx_cli.contract.errors import Code, OmlxError
from omlx_cli.env import Env
from omlx_cli.options import common
from omlx_cli.size import LIMIT


@click.command("serve")
@click.option("--host", metavar="HOST", help="Address to listen on; anything but loopback needs an API key.")
@click.option("--port", type=click.IntRange(0, 65535), metavar="PORT", help="TCP port; 0 takes a free one.")
@click.option("--paged-ssd-cache-dir", "cache_dir", metavar="DIR", help="Instead of cache.dir.")
@click.option("--paged-ssd-cache-max-size", "cache_cold_max", type=LIMIT, metavar="SIZE", help="100GB, 20%, auto or 0.")
@click.option("--hot-cache-max-size", "cache_hot_max", type=LIMIT, metavar="SIZE", help="8GiB, 20%, auto or 0.")
@click.option("--no-cache", is_flag=True, help="Keep no prefix, neither in RAM nor on SSD.")
@common
def command(env: Env, host: str | None, port: int | None, no_cache: bool, **cache: str | None) -> None:
    """Run the daemon in the foreground: this process becomes it. Ctrl-C ends it.

    What is given here stands above the settings for this run.

    \b
    Examples:
      omlx serve
      omlx serve --port 9000
      omlx serve --paged-ssd-cache-dir /fast/kv --paged-ssd-cache-max-size 100GB
    """
    from omlx_cli.service.process import daemon_command

    env.check_settings()
    health = env.client.health()
    if health:
        raise OmlxError(Code.ALREADY_RUNNING, f"a daemon runs already, process {health.pid}", "omlx stop  ends it")
    env.lifecycle.release()
    words = [*daemon_command(env.paths), "--foreground"]
    words += ["--host", host] if host else []
    words += ["--port", str(port)] if port is not None else []
    words += _cache_words(no_cache, **cache)
    sys.stdout.flush()
    sys.stderr.flush()
    os.execv(words[0], words)  # noqa: S606 - no shell is wanted


def _cache_words(
    no_cache: bool, cache_dir: str | None, cache_cold_max: str | None, cache_hot_max: str | None
) -> list[str]:
    """Return the cache's options as the daemon takes them. Raises click.UsageError."""
    limits = {"--cache-dir": cache_dir, "--cache-cold-max": cache_cold_max, "--cache-hot-max": cache_hot_max}
    given = {name: value for name, value in limits.items() if value is not None}
    if no_cache and given:
        raise click.UsageError("--no-cache takes no other option of the cache")
    if "" in given.values():
        raise click.UsageError("an option of the cache is empty; write for example --hot-cache-max-size 8GiB")
    if cache_dir:
        given["--cache-dir"] = str(Path(cache_dir).expanduser().absolute())
    return [*(f"{name}={value}" for name, value in given.items()), *(["--no-cache"] if no_cache else [])]
