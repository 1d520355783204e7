"""The cache, as the API asks for it."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Collection, Mapping
from pathlib import Path

import msgspec

from omlx_cli.contract.cache import (
    CacheList,
    CacheMetrics,
    CachePin,
    CachePinBody,
    CachePins,
    CacheStats,
    CacheWarm,
    CacheWarmBody,
    PruneBody,
    PruneReport,
    VerifyBody,
    VerifyDone,
    VerifyEvent,
)
from omlx_cli.contract.errors import Code, OmlxError
from omlx_cli.contract.explain import ExplainReply
from omlx_cli.contract.units import parse_duration_s, parse_size_bytes
from omlx_daemon.cache.audit import NOT_HERE, DeepAudit, left_out, verify
from omlx_daemon.cache.metrics import metrics
from omlx_daemon.cache.service import CacheService
from omlx_daemon.cache.warming import Warming
from omlx_daemon.coldstore.layout import Layout
from omlx_daemon.core.errors import unseen
from omlx_daemon.core.models import ModelSpec
from omlx_daemon.core.ports import Inference
from omlx_daemon.ledger.ledger import Ledger
from omlx_daemon.ledger.pins import check_label
from omlx_daemon.ledger.prune import Criteria


class Admin:
    """Implements `core.ports.CacheAdmin`. What reads or changes the disk is done on a thread."""

    def __init__(
        self,
        service: CacheService,
        inference: Inference,
        resolve: Callable[[str], ModelSpec],
        current: Callable[[], Mapping[str, str]],
        applied: Callable[[], Mapping[str, int]] = dict,
        unseen: Callable[[], str] = str,
    ) -> None:
        """Administer `service`. `resolve` finds a model by any of its names, `current` returns the namespaces of all
        models that are here, by their names; both read the disk. `applied` counts what prompt rules did.
        `unseen` tells why models may be here that `current` left out."""
        self._unseen = unseen
        self._applied = applied
        self._service = service
        self._warming = Warming(inference)
        self._resolve, self._current = resolve, current

    async def stats(self) -> CacheStats:
        """Return the books of the cold tier."""
        ledger = await self._service.settled()
        if ledger is None:
            plan = self._service.plan
            state = "degraded" if plan.has_cold else "off"
            return CacheStats(path=str(plan.root), state=state, reason=self._service.why_no_cold)
        return await asyncio.to_thread(lambda: ledger.stats(self._current().values()))

    def metrics(self) -> CacheMetrics:
        """Return what was reused and recomputed, per tier and model, from the last reports; never waits."""
        found = metrics(self._service.tally.rows(), *self._service.cold_totals)
        return msgspec.structs.replace(found, prompt_rules=dict(self._applied()))

    def explain(self, request_id: str, sees: Callable[[str], bool], *, reads: bool, may_act: bool) -> ExplainReply:
        """Return why a request's prompt was not reused further; see `core.ports.CacheAdmin`."""
        return self._service.explainer.explain(request_id, sees, reads=reads, may_act=may_act)

    async def rows(self, model: str, incompatible: bool) -> CacheList:
        """Return the namespaces of the cold tier; of one model, or the unusable ones alone, where asked."""
        ledger = await self._service.settled()
        if ledger is None:
            return CacheList()
        name = await self._name(model)
        found = await asyncio.to_thread(lambda: ledger.rows(self._current().values()))
        rows = (row for row in found.namespaces if not name or row.model == name)
        return CacheList(namespaces=tuple(row for row in rows if row.incompatible or not incompatible))

    async def prune(self, body: PruneBody) -> PruneReport:
        """Remove what matches; say what would go where it is a dry run."""
        ledger = await self._cold()
        current = frozenset((await asyncio.to_thread(self._current)).values()) if body.incompatible else None
        if current is not None and (why := self._unseen()):
            raise unseen(why)
        criteria = Criteria(
            older_than_s=parse_duration_s(body.older_than) if body.older_than else None,
            larger_than_bytes=parse_size_bytes(body.larger_than) if body.larger_than else None,
            model=await self._name(body.model) or None,
            current=current,
        )
        return await asyncio.to_thread(lambda: ledger.prune(criteria, dry_run=body.dry_run))

    async def clear(self, model: str) -> PruneReport:
        """Remove all blocks that are not pinned, of one model or of all, from both tiers."""
        name = await self._name(model)
        for session in self._service.sessions(name):
            session.clear()
        ledger = await self._service.settled()
        return PruneReport() if ledger is None else await asyncio.to_thread(lambda: ledger.clear(model=name or None))

    async def verify(self, body: VerifyBody) -> AsyncIterator[VerifyEvent]:
        """Check stored blocks; progress, then exactly one `VerifyDone`. Deep: also recompute them and compare."""
        async for event in self._verified(await self._cold(), body):
            if isinstance(event, VerifyDone) and event.report.damaged:
                self._service.telling.quarantined("", "found by verify", event.report.damaged)
            yield event

    async def _verified(self, ledger: Ledger, body: VerifyBody) -> AsyncIterator[VerifyEvent]:
        sample = body.sample or None
        async for event in verify(ledger, sample):
            if body.deep and isinstance(event, VerifyDone):
                models = await asyncio.to_thread(self._stored_models)
                others = await asyncio.to_thread(_blocks_beside, ledger, {space.name for _, space in models})
                report = left_out(event.report, NOT_HERE, others) if others else event.report
                audit = DeepAudit(ledger, self._warming, self._service.gone)
                async for deep in audit.run(models, sample, report):
                    yield deep
            else:
                yield event

    async def pins(self) -> CachePins:
        """Return every pinned prefix."""
        ledger = await self._service.settled()
        return CachePins() if ledger is None else await asyncio.to_thread(ledger.pins)

    async def pin(self, body: CachePinBody) -> CachePin:
        """Compute the prefix that `system` begins every chat with, store it, and keep it. Loads the model."""
        ledger = await self._cold()
        check_label(body.label)
        model = (await asyncio.to_thread(self._resolve, body.model)).name
        hashes = await self._warming.prefix(model, body.system)
        session = next(self._service.sessions(model), None)
        if session is None or not session.namespace or not hashes:
            raise OmlxError(Code.CACHE_UNUSABLE, f"prefixes of {model} are not kept on disk", "omlx logs  may tell why")
        await asyncio.to_thread(ledger.pin, body.label, session.namespace, hashes)
        await self._pins_changed(ledger)
        rows = await asyncio.to_thread(ledger.pins)
        return next(row for row in rows.pins if row.label == body.label)

    async def unpin(self, label: str) -> None:
        """Let a pinned prefix go. Raises OmlxError(NOT_FOUND)."""
        ledger = await self._cold()
        if not await asyncio.to_thread(ledger.unpin, label):
            raise OmlxError(Code.NOT_FOUND, f"there is no pin {label!r}", "omlx cache pins  lists them", param="label")
        await self._pins_changed(ledger)

    async def warm(self, body: CacheWarmBody) -> CacheWarm:
        """Compute and store a prompt without an answer. Loads the model."""
        return await self._warming.warm(body)

    async def export(self, name: str, path: str) -> PruneReport:
        """Write the blocks of a model, or else of a pin, to a new archive; the report counts what went in."""
        from omlx_daemon.cache import archive

        ledger, root = await self._cold(), self._service.plan.root
        try:
            model = await self._name(name)
        except OmlxError as error:
            pin = await asyncio.to_thread(ledger.pinned, name)
            if pin is None:
                hint = "omlx cache ls  lists models, omlx cache pins  the pins"
                raise OmlxError(error.code, f"no model and no pin {name!r} is stored", hint, param="model") from error
            return await asyncio.to_thread(archive.export_pin, root, name, pin, Path(path))
        return await asyncio.to_thread(archive.export, root, model, Path(path))

    async def import_(self, path: str) -> PruneReport:
        """Take the blocks of an archive, each checked; the report counts what came in."""
        from omlx_daemon.cache import intake

        ledger = await self._cold()
        loop = asyncio.get_running_loop()

        def arrived(namespace: str, filename: str, size_bytes: int) -> None:
            loop.call_soon_threadsafe(self._service.arrived, namespace, filename, size_bytes)

        return await asyncio.to_thread(intake.import_, ledger, self._service.plan.root, Path(path), arrived)

    def _stored_models(self) -> list[tuple[str, Path]]:
        """Return the models that are here, each with its namespace's directory, where there is one."""
        layout = Layout(self._service.plan.root)
        found = [(name, layout.namespace(namespace)) for name, namespace in self._current().items()]
        return [(name, space) for name, space in found if space.is_dir()]

    async def _cold(self) -> Ledger:
        ledger = await self._service.settled()
        if ledger is None:
            raise OmlxError(
                Code.CACHE_UNUSABLE, f"there is no cache on disk: {self._service.why_no_cold}", "omlx cache path"
            )
        return ledger

    async def _name(self, model: str) -> str:
        """Return a model's own name; one that is not here any more may still have blocks. Raises OmlxError."""
        if not model:
            return ""
        try:
            return (await asyncio.to_thread(self._resolve, model)).name
        except OmlxError:
            ledger = await self._service.settled()
            rows = () if ledger is None else (await asyncio.to_thread(ledger.rows)).namespaces
            return stored_name(model, {row.model for row in rows})

    async def _pins_changed(self, ledger: Ledger) -> None:
        for session in list(self._service.sessions()):
            if session.namespace:
                session.pin(await asyncio.to_thread(ledger.pinned_hashes, session.namespace))


def stored_name(model: str, stored: Collection[str]) -> str:
    """Return the name in `stored` that `model` spells in any case. Raises OmlxError(MODEL_NOT_FOUND)."""
    names = {name.casefold(): name for name in stored if name}
    if model.casefold() not in names:
        known = ", ".join(sorted(names.values()))
        hint = f"it holds {known}" if known else "omlx cache ls  lists what it holds"
        raise OmlxError(Code.MODEL_NOT_FOUND, f"the cache holds nothing of {model!r}", hint, param="model")
    return names[model.casefold()]


def _blocks_beside(ledger: Ledger, namespaces: Collection[str]) -> int:
    """Return how many blocks are stored outside of these namespaces."""
    return sum(row.blocks for row in ledger.rows().namespaces if row.namespace not in namespaces)
