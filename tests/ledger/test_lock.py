from __future__ import annotations

import os
import subprocess
import sys
from contextlib import suppress
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
    for is_cleared in (True, True, False):
        with opened(tmp_path) as bench:
            bench.chain("a", "x", 3)
            bench.ledger.verify()
            bench.ledger.rescan()
            if is_cleared:
                bench.ledger.clear()
            assert open_below(tmp_path), "its lock, at least"
    assert list(tmp_path.rglob("*.safetensors"))
    assert not open_below(tmp_path)


def open_below(root: Path) -> set[tuple[int, int]]:
    """Return the device and number of what this process has open in a directory; other tests have their own."""
    held = []
    for entry in Path("/dev/fd").iterdir():
        with suppress(OSError):  # the one that they are listed with
            held.append(os.fstat(int(entry.name)))
    here = [path.lstat() for path in (root, *root.rglob("*"))]
    return {(one.st_dev, one.st_ino) for one in held} & {(one.st_dev, one.st_ino) for one in here}
