"""The engine thread: loads the model, then ticks until it is told to stop. The only one that touches mlx."""

from __future__ import annotations

import logging
import math
import time
from queue import Empty, SimpleQueue

from omlx_cli.contract.errors import Code, ErrorBody, OmlxError
from omlx_daemon.core.errors import shutting_down
from omlx_daemon.core.events import Failed
from omlx_daemon.wire.messages import Events, LoadProgress, Start, Stop
from omlx_daemon.worker.backend import blas
from omlx_daemon.worker.engine.loop import Engine
from omlx_daemon.worker.engine.prepare import Preparer
from omlx_daemon.worker.engine.sequence import Sequence
from omlx_daemon.worker.engine.tickets import Tickets
from omlx_daemon.worker.intake import Intake
from omlx_daemon.worker.outbox import Outbox

log = logging.getLogger(__name__)

Wish = Sequence | Stop
"""What other threads ask of the engine thread."""
_STOP_POLL_S = 0.02


class Host:
    """Ties a loaded model's engine to the worker's other threads by queues alone."""

    def __init__(
        self, start: Start, tickets: Tickets, intake: Intake, outbox: Outbox, wishes: SimpleQueue[Wish]
    ) -> None:
        self.serving = False
        """Whether the load is over; until then nobody answers wishes."""
        self._start = start
        self._tickets = tickets
        self._intake = intake
        self._outbox = outbox
        self._wishes = wishes
        self._stop_by_s = math.inf

    def serve(self) -> ErrorBody | None:
        """Load, then work until a Stop is done; return why the load failed, if it did."""
        try:
            engine = self._load()
        except OmlxError as error:
            return error.body
        except ImportError as error:
            return ErrorBody(code=Code.LOAD_FAILED, message=f"mlx cannot be imported: {error}", hint="omlx doctor")
        self._run(engine)
        self._outbox.close(*self._last_notes(engine))
        return None

    def end_all(self, error: ErrorBody) -> list[Events]:
        """End every open request with `error`; return what is to be told."""
        failed = Failed(error=error)
        return [Events(items=((ticket.id, failed),)) for ticket in self._tickets.end_all()]

    def _load(self) -> Engine:
        found = blas.load()
        if found.problem:
            log.warning("%s", found.problem)
        from omlx_daemon.worker.backend.loader import load

        self._progress("start", 0.0)
        loaded = load(self._start, found, self._progress)
        settings = self._start.settings
        engine = Engine(
            loaded.runner, self._tickets, settings.max_running, settings.stall_target_s, clock=time.monotonic
        )
        self._intake.start(Preparer(loaded.tokenizer, loaded.tokenizer, loaded.facts))
        self.serving = True
        self._progress("ready", 1.0)
        self._outbox.put(loaded.ready, engine.report())
        return engine

    def _progress(self, step: str, share: float) -> None:
        self._outbox.put(LoadProgress(step=step, share=share))

    def _run(self, engine: Engine) -> None:
        while not self._stopped():
            self._take_wishes(engine)
            if engine.busy:
                items = engine.tick()
                report = engine.report_if_due()
                self._outbox.put(*([Events(items=tuple(items))] if items else []), *([report] if report else []))

    def _take_wishes(self, engine: Engine) -> None:
        """Take all that is asked; wait for the first where there is nothing else to do."""
        try:
            wish = self._wishes.get(block=not engine.busy, timeout=self._wait_s())
            while True:
                self._take(engine, wish)
                wish = self._wishes.get_nowait()
        except Empty:
            return

    def _take(self, engine: Engine, wish: Wish) -> None:
        if isinstance(wish, Stop):
            self._stop_by_s = time.monotonic() + wish.deadline_s
        else:
            engine.admit(wish)

    def _wait_s(self) -> float | None:
        """Return how long an idle engine may wait: for ever, or while a stop waits for the last requests."""
        return None if math.isinf(self._stop_by_s) else _STOP_POLL_S

    def _stopped(self) -> bool:
        return not math.isinf(self._stop_by_s) and (len(self._tickets) == 0 or time.monotonic() >= self._stop_by_s)

    def _last_notes(self, engine: Engine) -> list[Events]:
        items = engine.abort()
        return [*([Events(items=tuple(items))] if items else []), *self.end_all(shutting_down().body)]
