"""Whatever happens, `du` stays under the quota and free space over the floor.

`OMLX_TEST_STEPS` sets the steps of each of the two lives.
"""

from __future__ import annotations

import os
import random
import shutil
import subprocess
import sys
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from omlx_daemon.coldstore import blockfile
from omlx_daemon.coldstore.names import BlockName, Part
from omlx_daemon.ledger.policy import Policy, Reason
from omlx_daemon.ledger.prune import Criteria
from tests.ledger.bench import MIB, MODELS, ROOT_HASH, Bench, block, du_bytes, opened, tensors

STEPS = int(os.environ.get("OMLX_TEST_STEPS", "5000"))
POLICY = Policy(quota_bytes=2 * MIB, min_free_bytes=MIB // 2, per_model_share=0.4, max_age_s=5000)
DISK_BYTES = 3 * MIB
MAX_FOREIGN = 6
FANS = 6


@dataclass
class Life:
    """Three models' workers and everything that befalls them."""

    bench: Bench
    chance: random.Random
    dead_pid: int
    tips: dict[str, list[BlockName]] = field(default_factory=lambda: {model: [] for model in MODELS})
    foreign: list[Path] = field(default_factory=list)
    stored: int = 0
    steps: int = 0

    def step(self) -> None:
        """Let one thing happen, and check."""
        self.steps += 1
        self.bench.clock.go(self.chance.random() * 3)
        acts = {
            self.store: 80.0, self.touch: 12, self.crash: 2, self.strew: 1, self.squeeze: 2, self.restart: 0.3,
            self.damage: 1, self.prune: 0.2, self.meddle: 0.5,
        }  # fmt: skip
        self.chance.choices(list(acts), list(acts.values()))[0]()
        self.check()

    def check(self) -> None:
        """Ask the disk, not the ledger."""
        assert du_bytes(self.bench.root) <= POLICY.quota_bytes
        assert self.bench.disk.free_bytes() >= POLICY.min_free_bytes

    def store(self) -> None:
        """Reserve and write a block that continues another or begins a chain."""
        model = self.chance.choice(list(MODELS))
        name = self._next(model)
        size_bytes = self.chance.randrange(100, 60_000)
        count_bytes = blockfile.file_bytes(name, tensors(size_bytes), {})
        if not self.bench.ledger.reserve(model, MODELS[model], count_bytes, parent=name.parent):
            return
        if self.chance.random() < 0.03:
            self.bench.ledger.give_back(model, MODELS[model], count_bytes)
            return
        self.bench.write(model, name, size_bytes)
        self.check()
        if self.chance.random() < 0.97:
            self.bench.ledger.stored(model, MODELS[model], name.filename, count_bytes)
            self.tips[model].append(name)
            self.stored += 1

    def _next(self, model: str) -> BlockName:
        parents = self.tips[model][-20:]
        parent = self.chance.choice(parents).hash if parents and self.chance.random() < 0.8 else ROOT_HASH
        part = self.chance.choice([Part.TOKENS] * 4 + [Part.WINDOW, Part.STATE])
        return block(f"{self.steps}", parent, part, self.chance.choice([256, 256, 17]), FANS)

    def touch(self) -> None:
        """Use some blocks, gone ones among them."""
        model = self.chance.choice(list(MODELS))
        names = self.tips[model]
        self.bench.touch(model, self.chance.sample(names, min(5, len(names))))

    def crash(self) -> None:
        """Kill a worker in the middle of a write it had reserved."""
        model = self.chance.choice(list(MODELS))
        size_bytes = self.chance.randrange(1, 200_000)
        if self.bench.ledger.reserve(model, MODELS[model], size_bytes):
            half = self.bench.directory(model) / f".tmp-{self.dead_pid}-{self.steps}"
            half.write_bytes(bytes(self.chance.randrange(size_bytes)))
            self.check()
        self.bench.ledger.release(model, pid=self.dead_pid)
        self.bench.ledger.attach(model, MODELS[model], model, {})

    def strew(self) -> None:
        """Put a foreign file down, or take one away; the ledger cannot foresee it, only see it."""
        if len(self.foreign) < MAX_FOREIGN:
            place = self.chance.choice([self.bench.root, self.bench.directory("a"), self.bench.directory("b")])
            self.foreign.append(place / f"foreign-{self.steps}")
            self.foreign[-1].write_bytes(bytes(self.chance.randrange(50_000)))
        else:
            self.foreign.pop(0).unlink(missing_ok=True)
        self.look()

    def look(self) -> None:
        """Let the ledger see what happened behind its back."""
        self.bench.ledger._scan_again_at_s = 0.0
        self.bench.ledger.look()

    def squeeze(self) -> None:
        """Let other programs take or give back space; upkeep answers."""
        self.bench.disk.other_bytes = self.chance.randrange(MIB * 3 // 4)
        self.bench.ledger.maintain()

    def restart(self) -> None:
        """End the ledger, with or without a word, while a reservation is open, and begin anew."""
        self.bench.ledger.reserve("a", MODELS["a"], 10_000)
        if self.chance.random() < 0.5:
            self.bench.ledger.close()
        self.bench.ledger._disk.close()
        self.bench.open()
        self.bench.ledger.maintain()

    def damage(self) -> None:
        """Put a block aside, or lose one."""
        model = self.chance.choice(list(MODELS))
        for name in self.tips[model][-3:]:
            if self.chance.random() < 0.5:
                blockfile.quarantine(self.bench.directory(model), name)
                self.bench.ledger.quarantined(MODELS[model], [name.filename])
            else:
                self.bench.path(model, name).unlink(missing_ok=True)
                self.bench.ledger.missing(MODELS[model], [name.filename])

    def meddle(self) -> None:
        """Remove blocks, or a whole namespace, without a word to the ledger; it may go on for a while like that."""
        model = self.chance.choice(list(MODELS))
        if self.chance.random() < 0.1:
            shutil.rmtree(self.bench.directory(model))
            self.bench.ledger.attach(model, MODELS[model], model, {})
        for name in self.tips[model][-5:]:
            self.bench.path(model, name).unlink(missing_ok=True)
        if self.chance.random() < 0.5:
            self.look()

    def prune(self) -> None:
        """Prune some."""
        self.bench.ledger.prune(Criteria(model=self.chance.choice(list(MODELS)), larger_than_bytes=30_000))


@pytest.mark.parametrize("seed", [1, 2])
def test_no_step_passes_the_limits(tmp_path: Path, seed: int) -> None:
    with subprocess.Popen([sys.executable, "-c", "pass"]) as dead:
        pass
    with opened(tmp_path / "cache", POLICY) as bench:
        bench.disk.size_bytes = DISK_BYTES
        life = Life(bench, random.Random(seed), dead.pid)
        for _ in range(STEPS):
            life.step()
        bench.ledger.rescan()
        stats = bench.ledger.stats()
        assert stats.used_bytes == du_bytes(bench.root)
        assert life.stored > STEPS // 4
        assert {Reason.QUOTA, Reason.FLOOR, Reason.SHARE, Reason.PRUNE} <= {event.reason for event in bench.removed}
        assert stats.blocks > 10
