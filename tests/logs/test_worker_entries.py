"""What a worker writes: under which request, and as which entry of the daemon's log it ends."""

from __future__ import annotations

import asyncio
import logging
import sys
from pathlib import Path
from queue import SimpleQueue

import pytest

from omlx_cli.contract.errors import Code
from omlx_daemon.core.events import Event, Failed
from omlx_daemon.core.requests import GenerationRequest, TextPrompt, TokenPrompt
from omlx_daemon.pool.worker_log import forward
from omlx_daemon.worker.engine.ports import ModelFacts
from omlx_daemon.worker.engine.prepare import Preparer
from omlx_daemon.worker.engine.tickets import Tickets
from omlx_daemon.worker.intake import Intake
from tests.worker.doubles import POISON, VOCABULARY, Bench, Bytes, Clock

WORKER = """
import logging, sys, warnings
from omlx_daemon.core.entries import about
from omlx_daemon.worker.__main__ import log_to_stderr
log_to_stderr()
log = logging.getLogger("omlx_daemon.worker.host")
log.info("loaded")
try:
    raise ValueError("odd")
except ValueError:
    log.exception("it broke", extra=about("req_1.0"))
warnings.warn("old", stacklevel=1)
sys.stderr.write("libc++abi: terminating\\n  due to an error\\n")
"""


def requests_of(caplog: pytest.LogCaptureFixture, level: int = logging.ERROR) -> list[str]:
    """Return the request of each record of a level."""
    return [record.__dict__["omlx_request"] for record in caplog.records if record.levelno == level]


def test_entries_keep_their_level_and_request_on_the_way(caplog: pytest.LogCaptureFixture) -> None:
    async def run() -> int:
        process = await asyncio.create_subprocess_exec(
            sys.executable, "-I", "-c", WORKER, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.STDOUT
        )
        assert process.stdout is not None
        await forward(process.stdout, "echo", 7)
        return await process.wait()

    caplog.set_level(logging.INFO)
    assert asyncio.run(run()) == 0
    loaded, broke, warned, *raw = [
        (record.levelname, record.__dict__["omlx_source"], record.__dict__["omlx_request"], record.getMessage())
        for record in caplog.records
        if record.name == "omlx_daemon.pool.worker_log"
    ]
    assert loaded == ("INFO", "worker.host", "", "[echo 7] loaded")
    assert broke[:3] == ("ERROR", "worker.host", "req_1.0")
    assert broke[3].startswith("[echo 7] it broke\nTraceback") and broke[3].endswith("\nValueError: odd")
    assert warned[:2] == ("WARNING", "py.warnings")
    assert raw == [
        ("WARNING", "worker", "", "[echo 7] libc++abi: terminating"),
        ("WARNING", "worker", "", "[echo 7]   due to an error"),
    ]


def test_a_request_that_cannot_be_prepared_is_named(caplog: pytest.LogCaptureFixture) -> None:
    class Broken(Bytes):
        def encode_text(self, text: str) -> list[int]:
            raise RuntimeError("no tokenizer")

    told: SimpleQueue[tuple[str, Event]] = SimpleQueue()
    intake = Intake(Tickets(8, 8, Clock()), lambda name, event: told.put((name, event)), lambda sequence: None)
    intake.start(Preparer(Broken(), Broken(), ModelFacts(context_tokens=1000, vocabulary_tokens=VOCABULARY)))
    intake.submit(GenerationRequest(id="req_1.0", model="m", prompt=TextPrompt(text="x")))
    name, event = told.get(timeout=30)
    assert isinstance(event, Failed)
    assert (name, event.error.code) == ("req_1.0", Code.INTERNAL)
    assert requests_of(caplog) == ["req_1.0"]


def test_a_failing_prompt_is_named(caplog: pytest.LogCaptureFixture) -> None:
    bench = Bench()
    bench.submit(10)
    poisoned = bench.submit(prompt=TokenPrompt(token_ids=(1,) * 300 + (POISON, 1)))
    bench.run()
    assert requests_of(caplog) == [poisoned.id]


@pytest.mark.parametrize("failure", ["fail_next_step", "fail_next_remove"])
def test_all_of_a_failing_batch_are_named(failure: str, caplog: pytest.LogCaptureFixture) -> None:
    bench = Bench()
    tickets = [bench.submit(10, max_tokens=4 + 4 * number) for number in range(3)]
    bench.tick()
    setattr(bench.runner, failure, True)
    bench.run()
    failed = [ticket.id for ticket in tickets if isinstance(bench.end(ticket), Failed)]
    assert requests_of(caplog) == [",".join(failed)] != [""]


def test_a_row_whose_token_cannot_be_chosen_is_named(caplog: pytest.LogCaptureFixture) -> None:
    bench = Bench()
    faulty = bench.submit(10, max_tokens=9)
    bench.submit(10, max_tokens=9)
    bench.tick()
    bench.runner.faulty.add(faulty.uid)
    bench.run()
    assert requests_of(caplog) == [faulty.id]


@pytest.mark.parametrize("method", ["match", "commit", "finish"])
def test_a_request_whose_prefix_cannot_be_kept_is_named(
    method: str, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    from omlx_daemon.worker.cache.lease import Lease

    def fail(*arguments: object, **more: object) -> None:
        raise RuntimeError("broken")

    bench = Bench(hot_bytes=1 << 20)
    monkeypatch.setattr(bench.store if method == "match" else Lease, method, fail)
    ticket = bench.submit(600)
    bench.run()
    assert set(requests_of(caplog)) == {ticket.id}


def test_every_record_about_a_request_says_which() -> None:
    """No call that logs a failure in the engine goes without `extra`, unless it concerns no request."""
    of_no_request = ("returning memory failed", "the engine thread failed")
    folder = Path(__file__).parents[2] / "omlx_daemon" / "worker"
    files = [*folder.glob("engine/*.py"), *folder.glob("*.py")]
    calls = [line.strip() for file in files for line in file.read_text().splitlines() if "log.exception(" in line]
    assert len(calls) >= 10
    assert [call for call in calls if "extra=" not in call and not any(text in call for text in of_no_request)] == []
