"""What the keys set in motion: ask where asking is due, call the daemon in a thread, tell the outcome in a line."""

from __future__ import annotations

from typing import TYPE_CHECKING

from omlx_cli.contract.api import ModelInfo, RequestInfo, SlotInfo
from omlx_cli.contract.cache import PruneReport
from omlx_cli.contract.errors import Exit, OmlxError
from omlx_cli.contract.units import format_bytes, parse_duration_s
from omlx_cli.top import figures, jobs
from omlx_cli.top.control import Control, amount
from omlx_cli.top.spans import Line, Role, Span, clean, line

if TYPE_CHECKING:
    from omlx_cli.top.dashboard import TopApp

_UNUSED_FOR = "7d"
_NO_MODEL = "no model is in memory: l loads one"


class Acting:
    """Carries out what the user wants of the daemon."""

    def __init__(self, app: TopApp, control: Control) -> None:
        self._app = app
        self._control = control

    def start(self) -> None:
        """Start the daemon."""
        self._app.tell("starting the daemon…")
        jobs.run(self._control.start, self._app.tell, self._fail)

    def load(self) -> None:
        """Ask which model, and load it."""
        jobs.run(self._control.models, self._ask_which, self._fail)

    def unload(self, row: SlotInfo | None) -> None:
        """Unload a model; where that is refused, ask whether to do it all the same."""
        if row is None:
            self._app.tell(_NO_MODEL)
        else:
            self._app.tell(f"unloading {row.name}…")
            jobs.run(
                lambda: self._control.unload(row.name, False),
                self._app.tell,
                lambda error: self._ask_to_force(row, error),
            )

    def pin(self, row: SlotInfo | None) -> None:
        """Pin a model, or let go of a pinned one."""
        if row is None:
            self._app.tell(_NO_MODEL)
        else:
            jobs.run(lambda: self._control.pin(row.name, not row.pinned), self._app.tell, self._fail)

    def cancel(self, row: RequestInfo | None) -> None:
        """Ask, and cancel a request."""
        if row is None:
            self._app.tell("no request is there to be cancelled")
            return
        about = line(f" {clean(row.model)}, {figures.count(row.tokens)} tokens so far; its client gets an error")
        self._ask(f"Cancel {clean(row.id)}?", (about,), lambda: self._cancel(row.id))

    def prune(self) -> None:
        """Ask for an age, show what would go, ask again, prune."""
        from omlx_cli.top.screens.prompt import Prompt

        note = " such as 12h or 7d; a preview comes first, nothing is removed yet"
        self._app.push_screen(Prompt("Prune the cache: not used for", _UNUSED_FOR, note, _bad_duration), self._preview)

    def _fail(self, error: OmlxError) -> None:
        hint = f" ({error.body.hint})" if error.body.hint else ""
        self._app.tell(f"{error.body.message}{hint}", failed=True)

    def _ask(self, title: str, lines: tuple[Line, ...], on_yes: object) -> None:
        from omlx_cli.top.screens.question import Question

        def answered(yes: bool | None) -> None:
            if yes and callable(on_yes):
                on_yes()

        self._app.push_screen(Question(title, lines), answered)

    def _ask_which(self, models: tuple[ModelInfo, ...]) -> None:
        from omlx_cli.top.palette import loading

        if any(not model.problem and not model.loaded for model in models):
            self._app.push_screen(loading(models, self._load))
        else:
            self._app.tell("every model on disk is in memory already; omlx pull  fetches more")

    def _load(self, model: str) -> None:
        self._app.tell(f"loading {model}…")
        jobs.run(lambda: self._control.load(model), self._app.tell, self._fail)

    def _ask_to_force(self, row: SlotInfo, error: OmlxError) -> None:
        if error.meaning.exit is not Exit.REFUSED:
            self._fail(error)
            return
        self._app.tell("")
        work = row.running + row.queued
        ends = (line(f" {work} of its requests would end with an error"),) if work else ()
        lines = (line(f" {clean(error.body.message)}", Role.WARN), *ends)
        self._ask(f"Unload {clean(row.name)} all the same?", lines, lambda: self._force(row.name))

    def _force(self, model: str) -> None:
        jobs.run(lambda: self._control.unload(model, True), self._app.tell, self._fail)

    def _cancel(self, request: str) -> None:
        jobs.run(lambda: self._control.cancel(request), self._app.tell, self._fail)

    def _preview(self, older_than: str | None) -> None:
        if older_than:
            self._app.tell("looking at what would go…")
            jobs.run(
                lambda: self._control.prune(older_than, True),
                lambda report: self._ask_to_prune(older_than, report),
                self._fail,
            )

    def _ask_to_prune(self, older_than: str, report: PruneReport) -> None:
        if not report.files:
            self._app.tell(f"nothing was unused for {older_than}: nothing to prune")
            return
        self._app.tell("")
        lines = tuple(
            (Span(f" {clean(one.model) or figures.NONE}: "), Span(f"{one.files} files, {format_bytes(one.size_bytes)}"))
            for one in report.models[:8]
        )
        kept = (line(f" {report.kept_pinned_files} pinned files stay", Role.DIM),) if report.kept_pinned_files else ()
        self._ask(f"Remove {amount(report)}?", (*lines, *kept), lambda: self._prune(older_than))

    def _prune(self, older_than: str) -> None:
        self._app.tell("pruning…")
        jobs.run(lambda: self._control.prune(older_than, False), self._pruned, self._fail)

    def _pruned(self, report: PruneReport) -> None:
        if report.error is not None:
            self._fail(OmlxError.of(report.error))
        else:
            self._app.tell(f"removed {amount(report)}")


def _bad_duration(text: str) -> str:
    """Return what is wrong with an age, or empty."""
    try:
        parse_duration_s(text)
    except ValueError as error:
        return f" {error}"
    return ""
