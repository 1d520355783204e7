"""Kill -9 at random moments while blocks are stored: nothing corrupt is read, every finished write is found.

`OMLX_TEST_KILLS=1000` runs the full count.
"""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path

from omlx_daemon.coldstore import blockfile, names, scan
from tests.coldstore.blocks import namespace, tensors

KILLS = int(os.environ.get("OMLX_TEST_KILLS", "25"))
SIZE_BYTES = 256 << 10
STORE = """
import sys
from pathlib import Path
from tests.coldstore.blocks import store
directory, seed = Path(sys.argv[1]), int(sys.argv[2])
while True:
    print(store(directory, seed, int(sys.argv[3])).filename, seed, flush=True)
    seed += 1
"""


def test_a_kill_loses_only_what_was_being_written(tmp_path: Path) -> None:
    directory, chance = namespace(tmp_path), random.Random(5)
    finished: dict[str, int] = {}
    for kill in range(KILLS):
        finished |= _store_and_kill(directory, 1_000_000 * kill, chance.random() * 0.03)
        _check(directory, finished)
        for path in directory.glob("??/*"):
            path.unlink()
        finished.clear()


def _store_and_kill(directory: Path, seed: int, delay_s: float) -> dict[str, int]:
    job = [sys.executable, "-c", STORE, str(directory), str(seed), str(SIZE_BYTES)]
    root = Path(__file__).parents[2]
    with subprocess.Popen(job, cwd=root, stdout=subprocess.PIPE, text=True) as child:
        assert child.stdout is not None
        lines = [child.stdout.readline()]
        time.sleep(delay_s)
        child.send_signal(signal.SIGKILL)
        lines += child.stdout.readlines()
    pairs = [line.split() for line in lines if line.endswith("\n")]
    return {filename: int(number) for filename, number in pairs}


def _check(directory: Path, finished: dict[str, int]) -> None:
    found = {file.filename for file in scan.scan_namespace(directory).blocks}
    assert finished.keys() <= found
    assert len(found - finished.keys()) <= 1
    for filename in found:
        block = names.parse(filename)
        assert block is not None
        _, payload = blockfile.read(directory, block)
        if filename in finished:
            assert payload == b"".join(bytes(tensor.data) for tensor in tensors(finished[filename], SIZE_BYTES))
