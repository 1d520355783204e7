"""What `omlx doctor` looks at, area by area.

Each area is a module of its name beside this one, with one function, `checks(subject)`, that yields checks as it makes
them. It changes nothing, starts nothing, and bounds what it waits for.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from importlib import import_module
from typing import Protocol, cast

import msgspec

from omlx_cli.contract.errors import OmlxError
from omlx_cli.diagnosis.check import Check, broken
from omlx_cli.diagnosis.subject import Subject

AREAS: dict[str, str] = {
    "install": "which omlx the PATH finds, other installations, the shim",
    "versions": "Python, the libraries, and a daemon of another version",
    "home": "who may read and write the omlx home",
    "settings": "config.toml",
    "service": "what launchd or systemd know of the daemon",
    "daemon": "whether it answers, and models that are not well",
    "port": "who holds the port that API clients use",
    "disk": "room, and how fast the cache's disk writes and reads",
    "memory": "what models may take, and why no more",
    "backend": "what MLX computes with: Metal, CUDA, or a CPU's BLAS",
    "cache": "the KV cache on disk, and a sample of its blocks",
    "agents": "coding agents here, whether they ask this daemon, and the prompt rules",
}

_RERUN = "OMLX_DEBUG=1 omlx doctor {}"


class Area(Protocol):
    """The module of one area."""

    def checks(self, subject: Subject) -> Iterable[Check]:
        """Yield what is found."""
        ...


def run(names: Iterable[str], subject: Subject) -> Iterator[Check]:
    """Yield the checks of some areas in the order of `AREAS`; a check that cannot be made is broken."""
    wanted = set(names) or AREAS.keys()
    for name in AREAS:
        if name in wanted:
            area = cast(Area, import_module(f"omlx_cli.diagnosis.{name}"))
            yield from (msgspec.structs.replace(check, area=name) for check in _made(name, area, subject))


def _made(name: str, area: Area, subject: Subject) -> Iterator[Check]:
    import psutil

    try:
        yield from area.checks(subject)
    except OmlxError as error:
        yield broken(name, error.body.message, _RERUN.format(name))
    except (OSError, psutil.Error) as error:
        yield broken(name, f"this cannot be looked at: {error}", _RERUN.format(name))
