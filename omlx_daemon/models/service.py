"""The models on disk, as the API asks for them."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Callable
from contextlib import aclosing
from pathlib import Path

from omlx_cli.contract.api import ModelDetail, ModelInfo, PullDone, PullEvent, SlotInfo, SlotState
from omlx_cli.contract.errors import Code, OmlxError
from omlx_daemon.core.models import ModelSpec
from omlx_daemon.models import detail, info, removal
from omlx_daemon.models.capabilities import CapabilityReader
from omlx_daemon.models.puller import Puller
from omlx_daemon.models.registry import Registry

SlotsView = Callable[[], tuple[SlotInfo, ...]]
"""Returns the rows of the pool; never waits."""


class ModelService:
    """Implements `core.ports.Models`. Disk work runs on a thread, so that the event loop never waits for it."""

    def __init__(
        self,
        registry: Registry,
        puller: Puller,
        slots_view: SlotsView,
        kv_store_bits: Callable[[ModelSpec], int],
        namespace: Callable[[ModelSpec], str],
    ) -> None:
        """Show models with the bits in which their KV is stored, and the namespace it is stored in, read from disk."""
        self._registry = registry
        self._puller = puller
        self._slots = slots_view
        self._capabilities = CapabilityReader()
        self._kv_store_bits, self._namespace = kv_store_bits, namespace

    async def list(self) -> list[ModelInfo]:
        """Return every model found, by name."""
        specs = await asyncio.to_thread(self._registry.scan)
        able = await asyncio.to_thread(lambda: [self._capabilities.of(Path(spec.path)) for spec in specs])
        slots = self._slots()
        return [info.of(spec, slots, found) for spec, found in zip(specs, able, strict=True)]

    async def show(self, name: str) -> ModelDetail:
        """Return one model in detail. Raises OmlxError(MODEL_NOT_FOUND)."""
        spec = await asyncio.to_thread(self._registry.resolve, name)
        able = await asyncio.to_thread(self._capabilities.of, Path(spec.path))
        row, bits = info.of(spec, self._slots(), able), self._kv_store_bits(spec)
        return await asyncio.to_thread(
            lambda: detail.of(spec, row, bits, "" if spec.problem else self._namespace(spec))
        )

    async def remove(self, name: str) -> str:
        """Delete a model's files; return what was done. Raises OmlxError (not found, in use, not ours)."""
        spec = await asyncio.to_thread(self._registry.resolve, name)
        self._check_unused(spec)
        done = await asyncio.to_thread(removal.remove, spec, self._registry.models_folder)
        await asyncio.to_thread(self._registry.scan)
        return done

    async def pull(self, model: str, name: str) -> AsyncGenerator[PullEvent, None]:
        """Fetch or import a model; a second pull of the same model follows the first.

        Yields progress, then exactly one `PullDone` or `PullFailed`. The pull goes on when a follower leaves
        and another remains; when the last one leaves, it stops and keeps what was fetched.
        """
        async with aclosing(self._puller.follow(model, name)) as events:
            async for event in events:
                if isinstance(event, PullDone):
                    await asyncio.to_thread(self._registry.scan)
                yield event

    async def close(self) -> None:
        """Stop the pulls that are running."""
        await self._puller.close()

    def _check_unused(self, spec: ModelSpec) -> None:
        for slot in self._slots():
            if slot.name == spec.name and slot.state is not SlotState.CRASHED:
                raise OmlxError(Code.IN_USE, f"{spec.name} is loaded", f"omlx unload {spec.name}  frees it")
