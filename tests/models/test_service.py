"""The daemon's side: list, show, remove, and pulls that several clients follow."""

from __future__ import annotations

import asyncio
import threading
from contextlib import aclosing
from pathlib import Path

import psutil
import pytest

from omlx_cli.contract.api import PullDone, PullEvent, PullFailed, PullProgress, SlotInfo, SlotState
from omlx_cli.contract.errors import Code, OmlxError
from omlx_cli.contract.paths import Paths
from omlx_cli.contract.settings import HubSettings, Settings
from omlx_daemon.core import ports
from omlx_daemon.models.puller import Puller
from omlx_daemon.models.registry import Registry
from omlx_daemon.models.service import ModelService
from tests.models.folders import model_files, tensor_bytes, write_hub_model, write_model
from tests.models.hub_standin import Hub

ID = "some-org/Tiny-4bit"


def service_of(paths: Paths, *slots: SlotInfo, settings: Settings | None = None) -> ModelService:
    settings = settings or Settings()
    return ModelService(
        Registry(paths, settings), Puller(paths, settings), lambda: slots, lambda _: 8, lambda spec: f"of {spec.name}"
    )


def slot(name: str, state: SlotState = SlotState.IDLE) -> SlotInfo:
    return SlotInfo(name=name, state=state, pinned=True)


async def collect(service: ModelService, model: str) -> list[PullEvent]:
    return [event async for event in service.pull(model, "")]


def children() -> set[psutil.Process]:
    return {process for process in psutil.Process().children(recursive=True) if process.is_running()}


def test_it_is_what_the_api_needs(paths: Paths) -> None:
    assert isinstance(service_of(paths), ports.Models)


def test_list_tells_what_is_loaded_and_pinned(paths: Paths) -> None:
    write_model(paths.models / "one")
    write_model(paths.models / "two")
    rows = asyncio.run(service_of(paths, slot("two")).list())
    assert [(row.name, row.loaded, row.pinned) for row in rows] == [("one", False, False), ("two", True, True)]
    assert rows[0].modified_at.endswith("Z")


def test_show_tells_everything(paths: Paths) -> None:
    quantization = {"bits": 4, "group_size": 32, "model.b": {"bits": 8, "group_size": 64}}
    folder = write_model(paths.models / "one", quantization=quantization)
    tensors = {
        "model.a.weight": ("U32", [4, 8], bytes(128)),
        "model.a.scales": ("F16", [4, 2], bytes(16)),
        "model.a.biases": ("F16", [4, 2], bytes(16)),
        "model.b.weight": ("U32", [4, 32], bytes(512)),
        "model.b.scales": ("F16", [4, 2], bytes(16)),
        "model.b.biases": ("F16", [4, 2], bytes(16)),
        "model.norm.weight": ("F16", [64], bytes(128)),
    }
    (folder / "model.safetensors").write_bytes(tensor_bytes(tensors))
    detail = asyncio.run(service_of(paths).show("one"))
    assert detail.parameters == 4 * 64 + 4 * 128 + 64
    assert detail.chat_template == "{{ messages }}"
    assert detail.config["model_type"] == "llama"
    assert len(detail.fingerprint) == 64
    assert detail.namespace == f"of {detail.model.name}"
    assert detail.kv_store_bits == 8


def test_remove_deletes_what_is_ours_and_the_hubs(paths: Paths, hub_cache: Path) -> None:
    own = write_model(paths.models / "own")
    shared = write_hub_model(hub_cache, "org/shared")
    kept = write_hub_model(hub_cache, "org/kept")
    service = service_of(paths)
    assert "own" in asyncio.run(service.remove("OWN"))
    asyncio.run(service.remove("org/shared"))
    assert (own.exists(), shared.parents[1].exists(), kept.exists()) == (False, False, True)
    assert [row.name for row in asyncio.run(service.list())] == ["org/kept"]
    assert not list(paths.models.iterdir())


def test_remove_refuses_what_is_loaded_or_somebody_elses(paths: Paths, tmp_path: Path) -> None:
    loaded = write_model(paths.models / "loaded")
    studio = write_model(tmp_path / "lmstudio" / "org" / "theirs")
    outside = write_model(tmp_path / "outside")
    (paths.models / "linked").symlink_to(outside)
    service = service_of(paths, slot("loaded", SlotState.BUSY), slot("crashed", SlotState.CRASHED))
    for name, code in (
        ("loaded", Code.IN_USE),
        ("org/theirs", Code.FORBIDDEN),
        ("linked", Code.FORBIDDEN),
        ("unknown", Code.MODEL_NOT_FOUND),
        (str(outside), Code.FORBIDDEN),
    ):
        with pytest.raises(OmlxError) as caught:
            asyncio.run(service.remove(name))
        assert caught.value.code is code, name
    assert all(path.exists() for path in (loaded, studio, outside / "config.json"))
    write_model(paths.models / "crashed")
    asyncio.run(service.remove("crashed"))


def test_several_followers_share_one_pull_and_each_gets_its_end(paths: Paths, hub: Hub) -> None:
    hub.repositories[ID] = model_files()

    async def run() -> list[list[PullEvent]]:
        service = service_of(paths, settings=Settings(hub=HubSettings(endpoint=hub.url)))
        return await asyncio.gather(*(collect(service, ID) for _ in range(3)))

    ends = [found[-1] for found in asyncio.run(run())]
    assert all(isinstance(end, PullDone) and end.changed for end in ends)
    assert len(hub.downloads) == 1


def test_a_pull_goes_on_until_the_last_follower_leaves(paths: Paths, hub: Hub) -> None:
    hub.repositories[ID] = model_files(6 << 20)
    hub.gate = gate = threading.Event()

    async def run() -> PullEvent:
        service = service_of(paths)
        stays = asyncio.create_task(collect(service, ID))
        await _leave_half_way(service, hub)
        gate.set()
        return (await stays)[-1]

    assert isinstance(asyncio.run(run()), PullDone)
    assert len(hub.downloads) == 1


def test_when_the_last_follower_leaves_the_pull_stops_and_the_next_one_resumes(paths: Paths, hub: Hub) -> None:
    hub.repositories[ID] = model_files(6 << 20)
    hub.gate = gate = threading.Event()
    others = children()

    async def run() -> PullEvent:
        service = service_of(paths)
        await _leave_half_way(service, hub)
        while children() - others:
            await asyncio.sleep(0.01)
        gate.set()
        return (await collect(service, ID))[-1]

    assert isinstance(asyncio.run(run()), PullDone)
    assert hub.downloads[-1][1].startswith("bytes=")


async def _leave_half_way(service: ModelService, hub: Hub) -> None:
    async with aclosing(service.pull(ID, "")) as events:
        async for event in events:
            # A part of what was sent is on disk, so that the next pull begins after it.
            if hub.half_sent.is_set() and isinstance(event, PullProgress) and event.done_bytes >= 1 << 20:
                return


def test_a_child_that_is_killed_ends_the_pull_with_one_error(paths: Paths, hub: Hub) -> None:
    hub.repositories[ID] = model_files(6 << 20)
    hub.gate = threading.Event()
    others = children()

    async def run() -> list[PullEvent]:
        found = []
        killed = None
        async with aclosing(service_of(paths).pull(ID, "")) as events:
            async for event in events:
                found.append(event)
                if hub.half_sent.is_set() and killed is None:
                    [killed] = children() - others
                    killed.kill()
        return found

    found = asyncio.run(run())
    assert isinstance(found[-1], PullFailed)
    assert found[-1].error.code is Code.PULL_FAILED
    assert "signal 9" in found[-1].error.message
    assert children() <= others


def test_close_stops_every_pull(paths: Paths, hub: Hub) -> None:
    hub.repositories[ID] = model_files(6 << 20)
    hub.gate = threading.Event()
    others = children()

    async def run() -> PullEvent:
        service = service_of(paths)
        follower = asyncio.create_task(collect(service, ID))
        await asyncio.to_thread(hub.half_sent.wait, 60)
        await service.close()
        assert children() <= others
        return (await follower)[-1]

    end = asyncio.run(run())
    assert isinstance(end, PullFailed)
    assert end.error.code is Code.CANCELLED


def test_a_failure_comes_as_an_event(paths: Paths) -> None:
    end = asyncio.run(collect(service_of(paths), "smolm2"))[-1]
    assert isinstance(end, PullFailed)
    assert (end.error.code, "smollm2" in end.error.hint) == (Code.MODEL_NOT_FOUND, True)
