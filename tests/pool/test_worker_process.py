"""Real worker processes behind the pool: what they print, how they die, what they leave."""

from __future__ import annotations

import asyncio
import logging
import os
import signal
import sys
from collections.abc import Awaitable, Callable
from pathlib import Path

import psutil
import pytest

from omlx_cli.contract.errors import Code, OmlxError
from omlx_daemon.core.events import Failed, Finished, Text
from omlx_daemon.core.models import ModelSpec
from omlx_daemon.pool.pool import Pool
from omlx_daemon.pool.settings import PoolSettings
from omlx_daemon.pool.state import StateStore
from omlx_daemon.pool.worker_process import WorkerSpawner, describe_exit, environment
from tests.pool.doubles import FakeMemory, Reader, request, until

DOUBLE = Path(__file__).with_name("wire_worker.py")


def with_pool(home: Path, test: Callable[[Pool], Awaitable[None]], load_timeout_s: float = 60.0) -> None:
    others = children()

    async def main() -> None:
        settings = PoolSettings(memory_limit_bytes=1 << 40, load_timeout_s=load_timeout_s, stop_s=5.0)
        spawn = WorkerSpawner((sys.executable, "-I", "-X", "utf8", str(DOUBLE)))
        pool = Pool(resolve, spawn, StateStore(home / "state.json"), settings, FakeMemory())
        try:
            async with asyncio.timeout(60):
                await test(pool)
        finally:
            await pool.close(0)
        assert children() <= others

    asyncio.run(main())


def children() -> set[psutil.Process]:
    """Return the processes that this one has started."""
    return set(psutil.Process().children())


def resolve(name: str) -> ModelSpec:
    return ModelSpec(name=name, path="/nowhere", source="omlx", weights_bytes=1)


def test_it_answers_and_ends_by_itself(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)

    async def test(pool: Pool) -> None:
        reader = Reader(pool, request("r1", "echo", "olleh"))
        await reader.task
        assert [event.text for event in reader.events if isinstance(event, Text)] == ["hello"]
        assert isinstance(reader.events[-1], Finished)
        pid = pool.rows()[0].pid
        assert os.getpgid(pid) == pid
        await pool.unload("echo", False)
        assert not psutil.pid_exists(pid)
        await until(lambda: f"[echo {pid}] the double is up" in caplog.text)

    with_pool(tmp_path, test)


def test_kill_9_ends_each_request_once(tmp_path: Path) -> None:
    async def test(pool: Pool) -> None:
        readers = [Reader(pool, request(f"r{i}", "echo", "wait")) for i in range(4)]
        await until(lambda: pool.rows() and pool.rows()[0].running == 4)
        os.kill(pool.rows()[0].pid, signal.SIGKILL)
        for reader in readers:
            await reader.task
            [terminal] = reader.terminals
            assert isinstance(terminal, Failed)
            assert terminal.error.code is Code.WORKER_CRASHED
            assert "SIGKILL" in terminal.error.message
        again = Reader(pool, request("again", "echo", "ok"))
        await again.task
        assert isinstance(again.events[-1], Finished)

    with_pool(tmp_path, test)


@pytest.mark.parametrize(("model", "says"), [("garbage", "no message"), ("torn", "no message")])
def test_garbage_fails_the_request_and_ends_the_worker(tmp_path: Path, model: str, says: str) -> None:
    others = children()

    async def test(pool: Pool) -> None:
        reader = Reader(pool, request("r1", model))
        await reader.task
        [terminal] = reader.terminals
        assert isinstance(terminal, Failed)
        assert terminal.error.code is Code.WORKER_CRASHED
        assert says in terminal.error.message
        assert children() <= others

    with_pool(tmp_path, test)


@pytest.mark.parametrize(
    ("model", "code", "says"),
    [
        ("crash-load", Code.WORKER_CRASHED, "exit code 7, while it loaded"),
        ("fail-load", Code.UNSUPPORTED_MODEL, "no such layers"),
        ("hang-load", Code.LOAD_FAILED, "did not load within 1s"),
        ("wedge-load", Code.LOAD_FAILED, "did not load within 1s"),
    ],
)
def test_a_load_that_fails_says_why(tmp_path: Path, model: str, code: Code, says: str) -> None:
    others = children()

    async def test(pool: Pool) -> None:
        with pytest.raises(OmlxError) as failure:
            await pool.load(model, None)
        assert failure.value.code is code
        assert says in str(failure.value)
        assert children() <= others

    with_pool(tmp_path, test, load_timeout_s=1.0 if "within 1s" in says else 60.0)


def test_a_client_that_leaves_frees_the_worker(tmp_path: Path) -> None:
    async def test(pool: Pool) -> None:
        reader = Reader(pool, request("r1", "echo", "wait"))
        await until(lambda: pool.rows() and pool.rows()[0].running)
        await reader.leave()
        await until(lambda: pool.rows()[0].state == "idle")

    with_pool(tmp_path, test)


def test_a_worker_that_ignores_stop_is_killed(tmp_path: Path) -> None:
    async def test(pool: Pool) -> None:
        pid = (await pool.load("stubborn", None)).pid
        pool.hurry()
        await pool.close(0)
        assert not psutil.pid_exists(pid)

    with_pool(tmp_path, test)


def test_a_command_that_cannot_start_is_a_clear_error(tmp_path: Path) -> None:
    async def main() -> None:
        with pytest.raises(OmlxError) as failure:
            await WorkerSpawner((str(tmp_path / "missing"),))("m")
        assert failure.value.code is Code.LOAD_FAILED
        assert "No such file" in str(failure.value)

    asyncio.run(main())


def test_no_worker_survives_its_daemon(tmp_path: Path) -> None:
    """A process that spawned workers is killed; the workers see the closed connection and end."""
    script = tmp_path / "parent.py"
    script.write_text(
        "import asyncio, sys\n"
        "from omlx_daemon.pool.worker import Worker\n"
        "from omlx_daemon.pool.worker_process import WorkerSpawner\n"
        "from omlx_daemon.wire.messages import Start\n"
        "import time\n"
        "async def main():\n"
        f"    spawn = WorkerSpawner((sys.executable, '-I', {str(DOUBLE)!r}))\n"
        "    workers = []\n"
        "    for model in ('echo', 'hang-load'):\n"
        "        child = await spawn(model)\n"
        "        worker = Worker(model, child, clock=time.monotonic, cancel_s=1, on_exit=lambda worker: None)\n"
        "        task = asyncio.create_task(worker.start(Start(model=model, path=''), 600))\n"
        "        workers.append((worker, task))\n"
        "        while not worker.progress:\n"
        "            await asyncio.sleep(0.01)\n"
        "        print(child.pid, flush=True)\n"
        "    await asyncio.Event().wait()\n"
        "asyncio.run(main())\n"
    )

    async def main() -> None:
        parent = await asyncio.create_subprocess_exec(sys.executable, "-I", str(script), stdout=asyncio.subprocess.PIPE)
        assert parent.stdout is not None
        async with asyncio.timeout(60):
            pids = [int(await parent.stdout.readline()) for _ in range(2)]
            parent.kill()
            await parent.wait()
            await until(lambda: not any(_is_running(pid) for pid in pids))

    asyncio.run(main())


def _is_running(pid: int) -> bool:
    try:
        return psutil.Process(pid).status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False


@pytest.mark.parametrize(
    ("code", "says"), [(-9, "killed by SIGKILL"), (3, "exit code 3"), (-99, "killed by signal 99")]
)
def test_an_exit_is_described(code: int, says: str) -> None:
    assert describe_exit(code) == says


@pytest.mark.parametrize(
    ("system", "own", "tunables"),
    [
        ("linux", {}, "glibc.malloc.hugetlb=1"),
        ("linux", {"GLIBC_TUNABLES": "glibc.malloc.check=3"}, "glibc.malloc.check=3:glibc.malloc.hugetlb=1"),
        ("linux", {"GLIBC_TUNABLES": "glibc.malloc.hugetlb=0"}, "glibc.malloc.hugetlb=0"),
        ("darwin", {}, None),
    ],
)
def test_a_worker_maps_memory_in_large_pages_unless_told_otherwise(
    system: str, own: dict[str, str], tunables: str | None
) -> None:
    made = environment({"HOME": "/home/a", **own}, system)
    assert made.get("GLIBC_TUNABLES") == tunables
    assert (made["HOME"], made["HF_HUB_OFFLINE"]) == ("/home/a", "1")
