from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from omlx_cli.contract.errors import Code, OmlxError
from omlx_daemon.ledger.ledger import Ledger
from omlx_daemon.ledger.policy import Policy
from tests.ledger.bench import opened

HOLD = """
import sys
from pathlib import Path
from omlx_daemon.ledger.ledger import Ledger
from omlx_daemon.ledger.policy import Policy
ledger = Ledger.open(Path(sys.argv[1]), Policy())
print("held", flush=True)
sys.stdin.read()
"""


def test_a_second_process_is_refused_and_the_lock_dies_with_the_first(tmp_path: Path) -> None:
    job = [sys.executable, "-c", HOLD, str(tmp_path)]
    with subprocess.Popen(job, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as child:
        assert child.stdout is not None
        assert child.stdout.readline() == "held\n"
        with pytest.raises(OmlxError) as caught:
            Ledger.open(tmp_path, Policy())
        assert caught.value.code is Code.CACHE_LOCKED
        assert str(child.pid) in str(caught.value)
        assert caught.value.body.hint
        child.kill()
        child.wait()
        Ledger.open(tmp_path, Policy()).close()


def test_a_closed_ledger_lets_go(tmp_path: Path) -> None:
    for _ in range(3):
        ledger = Ledger.open(tmp_path, Policy())
        ledger.close()
        ledger.close()


def test_a_directory_that_cannot_be_made_is_one_clear_error(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(OmlxError) as caught:
        Ledger.open(tmp_path / "file" / "cache", Policy())
    assert caught.value.code is Code.CACHE_UNUSABLE
    assert caught.value.body.hint


def test_no_descriptor_is_left_open(tmp_path: Path) -> None:
    before = len(list(Path("/dev/fd").iterdir()))
    for _ in range(3):
        with opened(tmp_path) as bench:
            bench.chain("a", "x", 3)
            bench.ledger.verify()
            bench.ledger.rescan()
            bench.ledger.clear()
    assert len(list(Path("/dev/fd").iterdir())) == before
