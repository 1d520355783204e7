"""What `omlx top --json --watch` tells, from a snapshot on."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from subprocess import Popen

import msgspec

from omlx_cli.contract.live import LiveEvent, Snapshot
from omlx_cli.top import state
from tests.e2e.conftest import Home
from tests.waiting import wait_until


class Watch(threading.Thread):
    """Keeps what the daemon looked like after every line."""

    def __init__(self, process: Popen[str]) -> None:
        super().__init__(daemon=True)
        self.states: list[Snapshot] = []
        self._process = process

    def run(self) -> None:
        assert self._process.stdout is not None
        for line in self._process.stdout:
            event = msgspec.json.decode(line, type=LiveEvent)
            if isinstance(event, Snapshot):
                self.states.append(event)
            else:
                self.states.append(state.apply(self.states[-1], event))


@contextmanager
def watched(home: Home) -> Iterator[Watch]:
    """Yield what the running daemon tells, once it has told anything."""
    with home.popen("top", "--json", "--watch") as process:
        try:
            watch = Watch(process)
            watch.start()
            wait_until(lambda: bool(watch.states))
            yield watch
        finally:
            process.kill()
            watch.join()
