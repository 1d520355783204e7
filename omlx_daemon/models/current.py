"""The namespaces of the models that are here, for the cache commands without a daemon: a child process of the CLI.

Writes one JSON list to stdout; an error goes to stderr as `{"error": {...}}`, with its exit code.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

import msgspec

from omlx_cli.contract import settings as configuration
from omlx_cli.contract.errors import ErrorReply, Exit, OmlxError
from omlx_cli.contract.paths import Paths
from omlx_daemon.core.options import Options
from omlx_daemon.models.namespaces import Namespaces
from omlx_daemon.models.registry import Registry


def main(arguments: list[str] | None = None) -> int:
    """Print the namespaces and return the exit code."""
    parser = argparse.ArgumentParser(prog="omlx_daemon.models.current", description=__doc__)
    parser.add_argument("--home", required=True, help="the omlx home")
    try:
        found = namespaces(Paths(Path(parser.parse_args(arguments).home)))
    except OmlxError as error:
        sys.stderr.write(msgspec.json.encode(ErrorReply(error.body)).decode() + "\n")
        return error.meaning.exit
    sys.stdout.write(msgspec.json.encode(sorted(found)).decode() + "\n")
    return Exit.OK


def namespaces(paths: Paths) -> frozenset[str]:
    """Return the namespaces of all models that can be loaded. Raises OmlxError(INVALID_CONFIG)."""
    settings = configuration.load(paths.config)
    return Namespaces(Options(settings.models)).all(Registry(paths, settings).scan())


if __name__ == "__main__":
    sys.exit(main())
