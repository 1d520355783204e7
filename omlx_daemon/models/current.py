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
from omlx_daemon.core.errors import unseen
from omlx_daemon.core.options import Options
from omlx_daemon.models.namespaces import Namespaces
from omlx_daemon.models.registry import Registry


def main(arguments: list[str] | None = None) -> int:
    """Print the namespaces and return the exit code."""
    parser = argparse.ArgumentParser(prog="omlx_daemon.models.current", description=__doc__)
    parser.add_argument("--home", required=True, help="the omlx home")
    parser.add_argument("--all-or-none", action="store_true", help="refuse where models may be here that are not seen")
    options = parser.parse_args(arguments)
    try:
        found = namespaces(Paths(Path(options.home)), all_or_none=options.all_or_none)
    except OmlxError as error:
        sys.stderr.write(msgspec.json.encode(ErrorReply(error.body)).decode() + "\n")
        return error.meaning.exit
    sys.stdout.write(msgspec.json.encode(sorted(found)).decode() + "\n")
    return Exit.OK


def namespaces(paths: Paths, *, all_or_none: bool = False) -> frozenset[str]:
    """Return the namespaces of all models that can be loaded.

    Raises OmlxError(INVALID_CONFIG); with `all_or_none` CACHE_UNUSABLE, where models may be here that are not seen.
    """
    settings = configuration.load(paths.config)
    registry = Registry(paths, settings)
    found = Namespaces(Options(settings.models)).all(registry.scan())
    if all_or_none and registry.unseen:
        raise unseen(registry.unseen)
    return found


if __name__ == "__main__":
    sys.exit(main())
