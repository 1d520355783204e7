"""The composition root: every part is made here and handed to those who need it."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial

from litestar import Litestar

from omlx_cli.contract import keys
from omlx_cli.contract.api import ReloadReply
from omlx_cli.contract.live import HappeningKind
from omlx_cli.contract.paths import Paths
from omlx_cli.contract.settings import Settings
from omlx_daemon import logs
from omlx_daemon.api.app import create_app
from omlx_daemon.api.keyring import HandedOut
from omlx_daemon.cache.admin import Admin
from omlx_daemon.cache.plan import plan
from omlx_daemon.cache.service import CacheService
from omlx_daemon.canonical.chosen import ChosenRules
from omlx_daemon.canonical.inference import CanonicalInference
from omlx_daemon.configuration import LiveSettings, describe
from omlx_daemon.core.namesfile import NamesFile
from omlx_daemon.core.options import Options
from omlx_daemon.daemon import RunningDaemon
from omlx_daemon.explain.explainer import Explainer
from omlx_daemon.listeners import Listeners, check_key
from omlx_daemon.live.hub import Hub
from omlx_daemon.live.journal import Log
from omlx_daemon.models.namespaces import Namespaces
from omlx_daemon.models.puller import Puller
from omlx_daemon.models.registry import Registry
from omlx_daemon.models.served import ServedNames
from omlx_daemon.models.service import ModelService
from omlx_daemon.pool.memory.system import SystemMemory
from omlx_daemon.pool.pool import Pool
from omlx_daemon.pool.settings import PoolSettings
from omlx_daemon.pool.state import StateStore
from omlx_daemon.pool.worker_process import Spawner


@dataclass(frozen=True, slots=True)
class Parts:
    """One daemon, put together and not yet running."""

    app: Litestar
    daemon: RunningDaemon
    pool: Pool
    registry: Registry
    models: ModelService
    cache: CacheService
    hub: Hub


def build(paths: Paths, live: LiveSettings, listeners: Listeners, spawn: Spawner, stop: Callable[[], None]) -> Parts:
    """Return the daemon's parts; `stop` begins its graceful end."""
    settings = live.current
    options = Options(settings.models)
    memory = SystemMemory(limit_tokens=lambda spec: options.of(spec).context_limit or live.current.model.context_limit)
    registry = Registry(paths, settings, options)
    state = StateStore(paths.state)
    journal = Log(time.monotonic, time.time)
    memory_bytes = memory.total_bytes()
    namespaces = Namespaces(options)
    rules = ChosenRules(lambda: live.current, options, registry.resolve)
    cache = _cache(settings, paths, memory_bytes, namespaces, journal, Explainer(time.time, rules.applied))
    pool = Pool(
        registry.resolve,
        spawn,
        state,
        PoolSettings.of(settings, memory_bytes),
        memory,
        caches=cache,
        options=options,
        publish=NamesFile(paths.loaded_names).publish,
        journal=journal,
        heard=cache.explainer.heard,
    )
    puller = Puller(paths, settings)
    models = ModelService(registry, puller, pool.rows, namespaces.bits, namespaces.of)

    def apply(changed: Settings) -> None:
        options.replace(changed.models)
        pool.configure(PoolSettings.of(changed, memory_bytes))
        puller.endpoint = changed.hub.endpoint
        logs.set_level(changed.daemon)

    live.follow(
        apply, check=lambda changed: check_key(changed.server, listeners.needs_key, lambda: keys.exist(paths.keys))
    )
    daemon = RunningDaemon(
        paths, listeners, pool, state, time.monotonic, stop, partial(_reload, live, journal, registry)
    )

    def current() -> Mapping[str, str]:
        return namespaces.by_model(registry.scan())

    inference = CanonicalInference(pool, rules)
    admin = Admin(cache, inference, registry.resolve, current, rules.counts, lambda: registry.unseen)
    hub = Hub(journal, daemon.status, pool.requests, cache.live, clock=time.monotonic, wall=time.time)
    app = create_app(
        inference,
        models,
        pool,
        daemon,
        lambda: live.current,
        rules=rules,
        cache=admin,
        requests=pool,
        watching=hub,
        names=ServedNames(registry, options, lambda: live.current),
        handed_out=HandedOut(paths.keys),
    )
    return Parts(app, daemon, pool, registry, models, cache, hub)


def _cache(
    settings: Settings, paths: Paths, memory_bytes: int, namespaces: Namespaces, journal: Log, explainer: Explainer
) -> CacheService:
    limits = partial(plan, settings.cache, paths.cache, memory_bytes)
    return CacheService(
        limits(),
        namespaces.of,
        namespaces.bits,
        lambda: limits().policy,
        journal,
        details=namespaces.details,
        explainer=explainer,
    )


async def _reload(live: LiveSettings, journal: Log, registry: Registry) -> ReloadReply:
    reply = await live.reload()
    journal.note(HappeningKind.SETTINGS, f"the settings were read again: {describe(reply)}")
    await asyncio.to_thread(registry.scan)
    return reply
