"""The engine thread: loads the model, then ticks until it is told to stop. The only one that touches mlx."""

from __future__ import annotations

import gc
import logging
import math
import time
from enum import Enum, auto
from functools import partial
from queue import Empty, SimpleQueue

from omlx_cli.contract.errors import Code, ErrorBody, OmlxError
from omlx_daemon.core.errors import shutting_down
from omlx_daemon.core.events import Failed
from omlx_daemon.wire.cache import CacheCommand, ResizeHot
from omlx_daemon.wire.messages import Events, LimitKv, LoadProgress, Start, Stop, Trim
from omlx_daemon.worker.accountant import Accountant
from omlx_daemon.worker.backend import blas
from omlx_daemon.worker.engine.loop import Engine
from omlx_daemon.worker.engine.prefixes import Prefixes
from omlx_daemon.worker.engine.prepare import Preparer
from omlx_daemon.worker.engine.sequence import Sequence
from omlx_daemon.worker.engine.tickets import Tickets
from omlx_daemon.worker.gathering import gather
from omlx_daemon.worker.intake import Intake
from omlx_daemon.worker.outbox import Outbox
from omlx_daemon.worker.prefixcache import PrefixCache, open_cache

log = logging.getLogger(__name__)


class Wake(Enum):
    """Says that something has been read from disk."""

    READ = auto()


Wish = Sequence | Stop | Trim | LimitKv | CacheCommand | Wake
"""What other threads ask of the engine thread."""
_STOP_POLL_S = 0.02
_READ_POLL_S = 0.05
_WRITE_POLL_S = 0.25


class Host:
    """Ties a loaded model's engine to the worker's other threads by queues alone."""

    def __init__(
        self,
        start: Start,
        tickets: Tickets,
        intake: Intake,
        outbox: Outbox,
        wishes: SimpleQueue[Wish],
        accountant: Accountant,
    ) -> None:
        self.serving = False
        """Whether the load is over; until then nobody answers wishes."""
        self._start = start
        self._tickets = tickets
        self._intake = intake
        self._outbox = outbox
        self._wishes = wishes
        self._accountant = accountant
        self._stop_by_s = math.inf
        self._flush_s = 0.0

    def serve(self) -> ErrorBody | None:
        """Load, then work until a Stop is done; return why the load failed, if it did."""
        try:
            engine, cache = self._load()
        except OmlxError as error:
            return error.body
        except ImportError as error:
            return ErrorBody(code=Code.LOAD_FAILED, message=f"mlx cannot be imported: {error}", hint="omlx doctor")
        # What is there now stays: a full collection would look at all of it, for longer than a step takes.
        gc.freeze()
        self._run(engine, cache)
        self._outbox.put(*self._last_notes(engine))
        cache.close(self._flush_s)
        self._outbox.close(engine.report())
        return None

    def end_all(self, error: ErrorBody) -> list[Events]:
        """End every open request with `error`; return what is to be told."""
        failed = Failed(error=error)
        return [Events(items=((ticket.id, failed),)) for ticket in self._tickets.end_all()]

    def _load(self) -> tuple[Engine, PrefixCache]:
        found = blas.load()
        if found.problem:
            log.warning("%s", found.problem)
        from omlx_daemon.worker.backend.loader import load

        self._progress("start", 0.0)
        loaded = load(self._start, found, self._progress)
        settings, model, found_cache = self._start.settings, self._start.model, loaded.cache
        cache = open_cache(
            self._start.cache,
            model,
            found_cache.codec,
            found_cache.arrays,
            found_cache.problem,
            self._accountant,
            wake=lambda: self._wishes.put(Wake.READ),
        )
        engine = Engine(
            loaded.runner,
            self._tickets,
            settings.max_running,
            settings.stall_target_s,
            clock=time.monotonic,
            prefixes=Prefixes(cache.store, model, cache.compare),
        )
        engine.limit_kv(settings.kv_limit_bytes)
        tokenizer, marks = loaded.tokenizer, cache.store.needs_checkpoints
        self._intake.start(
            Preparer(
                tokenizer,
                tokenizer,
                loaded.facts,
                marks_boundaries=marks,
                bound=engine.bound,
                grammars=loaded.grammars,
            )
        )
        self.serving = True
        self._progress("ready", 1.0)
        self._outbox.put(loaded.ready, engine.report())
        return engine, cache

    def _progress(self, step: str, share: float) -> None:
        self._outbox.put(LoadProgress(step=step, share=share))

    def _run(self, engine: Engine, cache: PrefixCache) -> None:
        restless = False
        while not self._stopped():
            idle = not engine.busy
            self._take_wishes(engine, cache, self._wait_s(engine, restless))
            if idle and engine.busy:
                gather(lambda: self._intake.busy, partial(self._take_wishes, engine, cache), time.monotonic)
            if engine.busy:
                if found := engine.look_up():
                    self._outbox.put(Events(items=tuple(found)))
                items = engine.tick()
                report = engine.report_if_due()
                self._outbox.put(*([Events(items=tuple(items))] if items else []), *([report] if report else []))
                restless = True
            elif restless:
                # What is being written goes on beside an idle engine; its figures are told once it is done.
                restless = engine.rest()
                self._outbox.put(engine.report())

    def _take_wishes(self, engine: Engine, cache: PrefixCache, wait_s: float | None) -> bool:
        """Take all that is asked; wait so long for the first, None for ever. False where nothing came."""
        taken = False
        try:
            wish = self._wishes.get(block=wait_s != 0.0, timeout=wait_s)
            while True:
                self._take(engine, cache, wish)
                taken = True
                wish = self._wishes.get_nowait()
        except Empty:
            return taken

    def _take(self, engine: Engine, cache: PrefixCache, wish: Wish) -> None:
        if isinstance(wish, Stop):
            self._stop_by_s, self._flush_s = time.monotonic() + wish.deadline_s, wish.flush_s
        elif isinstance(wish, Sequence):
            engine.admit(wish)
        elif isinstance(wish, LimitKv):
            engine.limit_kv(wish.kv_limit_bytes)
        elif isinstance(wish, Trim):
            engine.trim()
            self._outbox.put(engine.report())
        elif not isinstance(wish, Wake):
            cache.obey(wish)
            if isinstance(wish, ResizeHot):
                self._outbox.put(engine.report())

    def _wait_s(self, engine: Engine, restless: bool) -> float | None:
        """Return how long the first wish may be waited for, None for ever."""
        if engine.busy:
            return _READ_POLL_S if engine.waits else 0.0
        if not math.isinf(self._stop_by_s):
            return _STOP_POLL_S
        return _WRITE_POLL_S if restless else None

    def _stopped(self) -> bool:
        return not math.isinf(self._stop_by_s) and (len(self._tickets) == 0 or time.monotonic() >= self._stop_by_s)

    def _last_notes(self, engine: Engine) -> list[Events]:
        items = engine.abort()
        return [*([Events(items=tuple(items))] if items else []), *self.end_all(shutting_down().body)]
