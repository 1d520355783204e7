"""How long a model stays, and what its own settings change: the pool with scripted workers."""

from __future__ import annotations

import math
from dataclasses import replace
from pathlib import Path

import pytest

from omlx_cli.contract.errors import Code, OmlxError
from omlx_cli.contract.model_options import ModelOptions
from omlx_daemon.core.requests import ChatPrompt, GenerationRequest, Sampling, SystemPrompt
from omlx_daemon.pool.defaults import completed
from omlx_daemon.pool.settings import PoolSettings
from tests.pool.doubles import Fixture, Reader, request, until
from tests.pool.scripted import finished, with_pool

SETTINGS = PoolSettings(memory_limit_bytes=1 << 30, stop_s=5.0, cancel_s=5.0)


async def ask(fixture: Fixture, request_id: str, keep_alive_s: float | None = None, model: str = "a") -> None:
    reader = Reader(fixture.pool, request(request_id, model, keep_alive_s=keep_alive_s))
    await until(lambda: any(request_id in child.submitted() for child in fixture.spawner.children))
    child = next(child for child in fixture.spawner.children if request_id in child.submitted())
    await finished(fixture, reader, child, request_id)


def test_a_requests_keep_alive_lasts_until_another_one_or_the_unload(tmp_path: Path) -> None:
    async def test(fixture: Fixture) -> None:
        await ask(fixture, "r1")
        assert fixture.pool.rows()[0].ttl_s == 600
        await ask(fixture, "r2", 5.0)
        assert fixture.pool.rows()[0].ttl_s == 5
        await ask(fixture, "r3")
        assert fixture.pool.expire() == pytest.approx(5)
        await ask(fixture, "r4", math.inf)
        assert (fixture.pool.rows()[0].ttl_s, fixture.pool.expire()) == (None, None)
        await fixture.pool.unload("a", False)
        await ask(fixture, "r5")
        assert fixture.pool.rows()[0].ttl_s == 600

    with_pool(tmp_path, test)


def test_a_keep_alive_of_0_unloads_when_the_last_request_has_ended(tmp_path: Path) -> None:
    async def test(fixture: Fixture) -> None:
        long = Reader(fixture.pool, request("long"))
        await until(lambda: fixture.spawner.children and fixture.spawner.children[0].submitted())
        await ask(fixture, "r1", 0.0)
        fixture.pool.expire()
        assert fixture.spawner.alive
        await finished(fixture, long, fixture.spawner.children[0], "long")
        fixture.pool.expire()
        await until(lambda: not fixture.pool.rows())

    with_pool(tmp_path, test)


def test_a_pin_stands_above_a_keep_alive(tmp_path: Path) -> None:
    async def test(fixture: Fixture) -> None:
        await fixture.pool.pin("a", True)
        await ask(fixture, "r1", 0.0)
        assert fixture.pool.expire() is None
        assert fixture.pool.rows()[0].expires_at is None

    with_pool(tmp_path, test)


def test_a_models_own_settings_reach_its_worker_and_its_row(tmp_path: Path) -> None:
    async def test(fixture: Fixture) -> None:
        await ask(fixture, "r1", model="A1")
        await ask(fixture, "r2", model="b")
        own, other = fixture.spawner.children
        assert own.start is not None
        assert other.start is not None
        assert [child.start.settings.context_limit_tokens for child in (own, other) if child.start] == [512, 0]
        assert [row.ttl_s for row in fixture.pool.rows()] == [3600, 600]
        assert own.asked("r1").sampling == Sampling(temperature=0.25, max_tokens=9)
        assert other.asked("r2").sampling == Sampling()

    options = {"a": ModelOptions(ttl="1h", context_limit=512, temperature=0.25, max_tokens=9)}
    with_pool(tmp_path, test, options=options)


def test_new_settings_count_at_once_for_a_loaded_model(tmp_path: Path) -> None:
    async def test(fixture: Fixture) -> None:
        await ask(fixture, "r1")
        pid = fixture.pool.rows()[0].pid
        fixture.options.replace({"a": ModelOptions(ttl="5s", temperature=0.5)})
        fixture.pool.configure(replace(SETTINGS, ttl_s=60.0))
        assert fixture.pool.expire() == pytest.approx(5)
        await ask(fixture, "r2")
        assert fixture.spawner.children[0].asked("r2").sampling.temperature == 0.5
        fixture.options.replace({})
        fixture.pool.configure(replace(SETTINGS, ttl_s=60.0))
        assert [(row.ttl_s, row.pid) for row in fixture.pool.rows()] == [(60, pid)]

    with_pool(tmp_path, test)


def test_an_alias_that_moved_to_another_model_is_asked_for_anew(tmp_path: Path) -> None:
    async def test(fixture: Fixture) -> None:
        await ask(fixture, "r1", model="A1")
        resolve = fixture.resolve
        fixture.pool._resolve = lambda name: resolve("b" if name == "A1" else name)
        fixture.pool.configure(SETTINGS)
        await ask(fixture, "r2", model="A1")
        assert [row.name for row in fixture.pool.rows()] == ["a", "b"]

    with_pool(tmp_path, test)


def test_a_pin_in_the_settings_holds_and_only_they_undo_it(tmp_path: Path) -> None:
    async def test(fixture: Fixture) -> None:
        row = await fixture.pool.load("a", 1.0)
        assert (row.pinned, row.expires_at) == (True, None)
        fixture.clock.now_s += 1e6
        assert fixture.pool.expire() is None
        with pytest.raises(OmlxError) as refusal:
            await fixture.pool.pin("a", False)
        assert refusal.value.code is Code.PINNED
        assert refusal.value.body.hint == "omlx config set models.a.pin false"
        fixture.options.replace({})
        fixture.pool.expire()
        await until(lambda: not fixture.pool.rows())

    with_pool(tmp_path, test, options={"a": ModelOptions(pin=True)})


def test_a_request_stands_above_its_models_settings() -> None:
    options = ModelOptions(
        temperature=0.5, top_p=0.9, top_k=20, min_p=0.1, repetition_penalty=1.1, presence_penalty=0.5,
        frequency_penalty=0.25, max_tokens=7, chat_template_kwargs={"enable_thinking": False, "budget": 3},
    )  # fmt: skip
    given = Sampling(temperature=0.0, presence_penalty=0.0, max_tokens=3, seed=4)
    prompt = ChatPrompt(messages=(), template_kwargs={"budget": 9})
    request = GenerationRequest(id="r", model="a", prompt=prompt, sampling=given)
    made = completed(request, options)
    assert made.sampling == Sampling(
        temperature=0.0, top_p=0.9, top_k=20, min_p=0.1, repetition_penalty=1.1, presence_penalty=0.0,
        frequency_penalty=0.25, max_tokens=3, seed=4,
    )  # fmt: skip
    assert made.prompt == ChatPrompt(messages=(), template_kwargs={"enable_thinking": False, "budget": 9})
    assert completed(request, ModelOptions()) is request
    system = GenerationRequest(id="r", model="a", prompt=SystemPrompt(system="be brief"))
    found = completed(system, options).prompt
    assert isinstance(found, SystemPrompt)
    assert found.template_kwargs == options.chat_template_kwargs
