"""What `omlx doctor` looks at, area by area.

Each area is a module of its name beside this one, with one function, `checks(subject)`, that yields checks as it makes
them. It changes nothing, starts nothing, and bounds what it waits for; its `WAITS_S` says how long that may be between
two checks, where it is more than moments. An area that hangs all the same is given up.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from functools import partial
from importlib import import_module
from typing import Protocol, cast

import msgspec

from omlx_cli.contract.errors import OmlxError
from omlx_cli.diagnosis.check import Check, broken
from omlx_cli.diagnosis.subject import Subject
from omlx_cli.diagnosis.waiting import SILENCE_S, Watched

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


def module(name: str) -> Area:
    """Return the module of an area."""
    return cast(Area, import_module(f"omlx_cli.diagnosis.{name}"))


def run(
    names: Iterable[str], subject: Subject, silence_s: float = SILENCE_S, find: Callable[[str], Area] = module
) -> Iterator[Check]:
    """Yield the checks of some areas in the order of `AREAS`; a check that cannot be made is broken.

    An area is given up that says nothing for `silence_s`, and for what it waits for by itself. What makes one hang
    often holds others too: from the first one on, the rest are looked at all at once.
    """
    wanted = set(names) or AREAS.keys()
    waiting = [name for name in AREAS if name in wanted]
    begun: dict[str, Watched] = {}
    is_stuck = False
    for place, name in enumerate(waiting):
        for next_one in waiting[place:] if is_stuck else (name,):
            if next_one not in begun:
                begun[next_one] = _begin(next_one, find(next_one), subject, silence_s)
        yield from (msgspec.structs.replace(check, area=name) for check in begun[name].checks())
        is_stuck = is_stuck or begun[name].is_stuck


def _begin(name: str, area: Area, subject: Subject, silence_s: float) -> Watched:
    return Watched(name, partial(_made, name, area, subject), silence_s + getattr(area, "WAITS_S", 0.0))


def _made(name: str, area: Area, subject: Subject) -> Iterator[Check]:
    import psutil

    try:
        yield from area.checks(subject)
    except OmlxError as error:
        yield broken(name, error.body.message, _RERUN.format(name))
    except (OSError, psutil.Error) as error:
        yield broken(name, f"this cannot be looked at: {error}", _RERUN.format(name))
