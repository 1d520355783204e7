from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from pathlib import Path
from threading import Lock

from omlx_daemon.ledger.policy import Policy
from omlx_daemon.ledger.prune import Criteria
from tests.ledger.bench import MIB, MODELS, block, du_bytes, opened


def test_writers_upkeep_and_commands_at_once_keep_the_books_right(tmp_path: Path) -> None:
    with opened(tmp_path, Policy(quota_bytes=3 * MIB)) as bench:
        writing = {model: Lock() for model in MODELS}

        def write(model: str) -> None:
            for number in range(120):
                with writing[model]:
                    bench.store(model, block(f"{model}{number}", fans=16), 20_000)
                # A file that moves, or takes the place of one that is gone, while the directory is walked counts twice.
                with ExitStack() as pause:
                    for lock in writing.values():
                        pause.enter_context(lock)
                    assert du_bytes_or_less(tmp_path)

        def keep() -> None:
            for _ in range(30):
                bench.ledger.maintain()
                bench.ledger.rescan()
                bench.ledger.stats()

        def command() -> None:
            for _ in range(10):
                bench.ledger.verify(5)
                bench.ledger.prune(Criteria(model="a", larger_than_bytes=30_000))
                bench.ledger.release("none")

        with ThreadPoolExecutor(6) as threads:
            jobs = [threads.submit(write, model) for model in MODELS]
            jobs += [threads.submit(keep), threads.submit(command)]
        for job in jobs:
            job.result()
        bench.ledger.rescan()
        stats = bench.ledger.stats()
        assert stats.used_bytes == du_bytes(tmp_path)
        assert (stats.reserved_bytes, stats.state) == (0, "ok")


def du_bytes_or_less(root: Path) -> bool:
    """Return whether the directory is within its quota; a file may go while it is measured."""
    try:
        return du_bytes(root) <= 3 * MIB
    except FileNotFoundError:
        return True
