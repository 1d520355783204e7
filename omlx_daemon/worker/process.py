"""The worker's threads: this one reads, one tokenises, one owns mlx, one writes."""

from __future__ import annotations

import logging
import os
import socket
import sys
import time
from queue import SimpleQueue
from threading import Thread
from typing import NoReturn

import msgspec

from omlx_cli.contract.errors import Code, ErrorBody
from omlx_daemon.core.errors import shutting_down
from omlx_daemon.core.events import Event, Failed
from omlx_daemon.wire.cache import Granted
from omlx_daemon.wire.frames import FrameError, receive
from omlx_daemon.wire.messages import Cancel, Command, Events, LoadFailed, Start, Stop, Submit
from omlx_daemon.worker.accountant import Accountant
from omlx_daemon.worker.engine.loop import CANCELLED
from omlx_daemon.worker.engine.tickets import Tickets
from omlx_daemon.worker.host import Host, Wish
from omlx_daemon.worker.intake import Intake
from omlx_daemon.worker.outbox import Outbox

log = logging.getLogger(__name__)

SWITCH_S = 0.001
"""How long a thread that tokenises may keep the engine's from going on: Python's own 5 ms cost a fifth of the steps."""
EXIT_OK = 0
EXIT_LOAD_FAILED = 1
EXIT_BAD_FRAME = 65
EXIT_BROKEN = 70
_BROKEN = ErrorBody(code=Code.INTERNAL, message="the engine failed", hint="the log says more")


def run(connection: socket.socket) -> NoReturn:
    """Serve the daemon at the other end of `connection`, for as long as it is there.

    Leaves the process without any clean-up, whatever the other threads do: nothing here outlives the socket.
    """
    decoder = msgspec.msgpack.Decoder(Command)
    sys.setswitchinterval(SWITCH_S)
    try:
        start = receive(connection, decoder)
        if start is None:
            end(EXIT_OK)
        if not isinstance(start, Start):
            raise FrameError(f"the first message is {type(start).__name__}, not Start")
        reader = _Reader(connection, start)
        while (command := receive(connection, decoder)) is not None:
            reader.take(command)
    except FrameError as error:
        end(EXIT_BAD_FRAME, f"omlx-worker: bad message from the daemon: {error}")
    end(EXIT_OK)


def end(code: int, line: str = "") -> NoReturn:
    """Leave at once, with one line on stderr where there is something to say."""
    if line:
        os.write(sys.stderr.fileno(), f"{' '.join(line.split())}\n".encode())
    os._exit(code)


class _Reader:
    """Wires the threads together and gives each command to the one it is meant for."""

    def __init__(self, connection: socket.socket, start: Start) -> None:
        settings = start.settings
        logging.getLogger().setLevel(settings.log_level.upper())
        self._wishes: SimpleQueue[Wish] = SimpleQueue()
        self._tickets = Tickets(settings.max_running, settings.max_queued, time.monotonic)
        self._outbox = Outbox(connection, on_gone=lambda: end(EXIT_OK))
        self._intake = Intake(self._tickets, self._tell, self._wishes.put)
        self._accountant = Accountant(self._outbox.put)
        host = Host(start, self._tickets, self._intake, self._outbox, self._wishes, self._accountant)
        self._host = host
        Thread(target=self._own_mlx, name="engine", daemon=True).start()

    def take(self, command: Command) -> None:
        """Act on one command; never waits. Raises FrameError for a second Start."""
        match command:
            case Submit(request=request):
                self._intake.submit(request)
            case Cancel(id=request_id):
                if self._tickets.cancel(request_id):
                    self._tell(request_id, Failed(error=CANCELLED))
            case Stop():
                self._stop(command)
            case Granted():
                self._accountant.granted(command.id, command.size_bytes)
            case Start():
                raise FrameError("a second Start")
            case _:
                self._wishes.put(command)

    def _stop(self, command: Stop) -> None:
        self._tickets.refuse()
        if self._host.serving:
            self._wishes.put(command)
        else:
            self._outbox.close(*self._host.end_all(shutting_down().body))
            end(EXIT_OK)

    def _tell(self, request_id: str, event: Event) -> None:
        self._outbox.put(Events(items=((request_id, event),)))

    def _own_mlx(self) -> None:
        try:
            error = self._host.serve()
        except Exception:
            log.exception("the engine thread failed")
            self._outbox.close(*self._host.end_all(_BROKEN))
            end(EXIT_BROKEN)
        if error is not None:
            self._outbox.close(LoadFailed(error=error))
            end(EXIT_LOAD_FAILED)
        end(EXIT_OK)
