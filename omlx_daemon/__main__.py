"""`omlx-daemon`: the background service of one omlx home."""

from __future__ import annotations

import argparse
import os
import resource
import sys
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec

from omlx_cli.contract import settings as configuration
from omlx_cli.contract import storage
from omlx_cli.contract.errors import Code, ErrorBody, OmlxError
from omlx_cli.contract.paths import Paths
from omlx_cli.contract.settings import Settings
from omlx_daemon import activation, home, locks
from omlx_daemon.notify import Notifier
from omlx_daemon.origin import Origin
from omlx_daemon.ready import ReadyPipe

if TYPE_CHECKING:
    from omlx_daemon.pool.worker_process import Spawner

EXIT_LOCKED = 75
"""Another daemon serves the home."""

WANTED_FILES = 65536
PRIVATE_UMASK = 0o077


def main(arguments: Sequence[str] | None = None, spawn: Spawner | None = None) -> int:
    """Run the daemon and return its exit code; `spawn` starts its workers."""
    options = _parse(arguments)
    origin = Origin.of_this_process(options.foreground)
    ready = ReadyPipe(options.ready_fd, Notifier(os.environ))
    try:
        _run(options, ready, spawn, origin)
    except OmlxError as error:
        ready.fail(error.body)
        activation.turn_away(origin.listeners)
        _print(error.body)
        return EXIT_LOCKED if error.code is Code.ALREADY_RUNNING else int(error.meaning.exit)
    return 0


def _run(options: argparse.Namespace, ready: ReadyPipe, spawn: Spawner | None, origin: Origin) -> None:
    os.umask(PRIVATE_UMASK)
    _raise_file_limit()
    paths = Paths(Path(options.home).absolute()) if options.home else Paths.default()
    os.environ["OMLX_HOME"] = str(paths.home)
    home.prepare(paths)
    try:
        with locks.DaemonLock(paths.daemon_lock) as lock:
            from omlx_daemon import logs, server
            from omlx_daemon.configuration import LiveSettings
            from omlx_daemon.pool.worker_process import WorkerSpawner

            settings = LiveSettings(partial(_settings, paths, options))
            log = logs.start(paths.daemon_log, settings.current.daemon, foreground=options.foreground)
            server.serve(home.Home(paths, lock, log), settings, ready, spawn or WorkerSpawner(), origin)
    except OSError as error:
        raise storage.unusable(error, f"cannot use {error.filename or paths.home}") from error


def _parse(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="omlx-daemon",
        description="Serve the models of one omlx home. `omlx` starts it by itself.",
        allow_abbrev=False,
    )
    parser.add_argument("--home", metavar="DIR", help="the omlx home (default: $OMLX_HOME, else ~/.omlx)")
    parser.add_argument("--ready-fd", type=int, metavar="N", help="say on this file descriptor when ready")
    parser.add_argument("--foreground", action="store_true", help="log to stderr too")
    parser.add_argument("--host", metavar="HOST", help="listen on this address instead of server.host")
    parser.add_argument("--port", type=int, metavar="PORT", help="listen on this port instead of server.port; 0 is any")
    cache = parser.add_argument_group("KV cache", "Instead of the settings of the same name under [cache].")
    cache.add_argument("--cache-dir", metavar="DIR", dest="dir", help="the directory of the cold tier")
    cache.add_argument("--cache-cold-max", metavar="SIZE", dest="cold_max_size", help="100GB, 20%%, auto, or 0")
    cache.add_argument("--cache-hot-max", metavar="SIZE", dest="hot_max_size", help="8GiB, 20%%, auto, or 0")
    cache.add_argument("--no-cache", action="store_false", default=None, dest="enabled", help="keep no prefixes")
    return parser.parse_args(arguments)


def _settings(paths: Paths, options: argparse.Namespace) -> Settings:
    """Return `config.toml` with what the command line puts above it. Raises OmlxError(INVALID_CONFIG)."""
    settings = configuration.load(paths.config)
    given = _given(options, "host", "port")
    if not 0 <= given.get("port", 0) <= 65535:
        raise OmlxError(Code.INVALID_CONFIG, f"--port {given['port']} is no port", "write 0 to 65535")
    settings = msgspec.structs.replace(
        settings,
        server=msgspec.structs.replace(settings.server, **given),
        cache=msgspec.structs.replace(
            settings.cache, **_given(options, "dir", "cold_max_size", "hot_max_size", "enabled")
        ),
    )
    configuration.check(settings, "the command line")
    return settings


def _given(options: argparse.Namespace, *names: str) -> dict[str, Any]:
    return {name: value for name in names if (value := getattr(options, name)) is not None}


def _raise_file_limit() -> None:
    """Allow as many open files as the system lets us: each connection and each worker takes one."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = WANTED_FILES if hard == resource.RLIM_INFINITY else min(WANTED_FILES, hard)
    if soft != resource.RLIM_INFINITY and soft < wanted:
        try:
            resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))
        except (ValueError, OSError):
            return


def _print(error: ErrorBody) -> None:
    sys.stderr.write(f"error: {error.message}\n")
    if error.hint:
        sys.stderr.write(f"hint: {error.hint}\n")


if __name__ == "__main__":
    sys.exit(main())
