"""What the platforms say of memory, read from recorded files and bytes."""

from __future__ import annotations

import ctypes
import struct
from pathlib import Path
from typing import Any

import pytest

from omlx_daemon.pool.memory import cgroup, macos
from omlx_daemon.pool.memory.nvml import Gpu
from omlx_daemon.pool.memory.probe import Pressure
from omlx_daemon.pool.memory.stalls import Stalls
from tests.pool.doubles import Clock

GIB = 1 << 30
V2_STAT = "anon 100\nfile 900\ninactive_file {inactive}\nactive_file {active}\nslab_reclaimable {slab}\nshmem 5\n"
MOUNTS = """\
22 28 0:21 / /proc rw,nosuid - proc proc rw
24 28 0:23 / /sys rw - sysfs sysfs rw
29 24 0:26 {root} /sys/fs/cgroup rw,nosuid - cgroup2 cgroup2 rw,nsdelegate
"""
V1_MOUNTS = """\
29 24 0:26 / /sys/fs/cgroup rw - tmpfs tmpfs rw
31 29 0:28 / /sys/fs/cgroup/cpu,cpuacct rw - cgroup cgroup rw,cpu,cpuacct
32 29 0:29 / /sys/fs/cgroup/memory rw - cgroup cgroup rw,memory
33 29 0:30 / /sys/fs/cgroup/unified rw - cgroup2 cgroup2 rw
"""


class Machine:
    """A recorded `/proc/self` and the hierarchies that it names."""

    def __init__(self, root: Path, membership: str, mounts: str) -> None:
        self.root = root
        self.proc = root / "proc"
        self.proc.mkdir()
        (self.proc / "cgroup").write_text(membership)
        (self.proc / "mountinfo").write_text(mounts)

    def group(self, path: str, **files: object) -> None:
        folder = self.root / path.lstrip("/")
        folder.mkdir(parents=True, exist_ok=True)
        for name, text in files.items():
            (folder / name.replace("__", ".")).write_text(f"{text}\n")

    def groups(self) -> tuple[cgroup.Group, ...]:
        return cgroup.groups(self.proc, self.root)

    def bound(self) -> cgroup.Bound | None:
        return cgroup.bound(self.groups())


def v2(root: Path, membership: str = "0::/user.slice/app.scope\n", mounted: str = "/") -> Machine:
    return Machine(root, membership, MOUNTS.format(root=mounted))


def stat(inactive: int = 0, active: int = 0, slab: int = 0) -> str:
    return V2_STAT.format(inactive=inactive, active=active, slab=slab)


def test_the_tightest_of_all_groups_on_the_way_counts(tmp_path: Path) -> None:
    machine = v2(tmp_path)
    machine.group("/sys/fs/cgroup", memory__stat=stat())
    machine.group(
        "/sys/fs/cgroup/user.slice", memory__max=4 * GIB, memory__high="max", memory__current=3 * GIB,
        memory__stat=stat(),
    )  # fmt: skip
    machine.group(
        "/sys/fs/cgroup/user.slice/app.scope", memory__max=8 * GIB, memory__high="max", memory__current=1 * GIB,
        memory__stat=stat(),
    )  # fmt: skip
    bound = machine.bound()
    assert bound is not None
    assert (bound.limit_bytes, bound.available_bytes) == (4 * GIB, GIB)
    assert bound.folder.endswith("/user.slice")


def test_the_page_cache_of_a_group_is_available(tmp_path: Path) -> None:
    machine = v2(tmp_path, "0::/app\n")
    machine.group(
        "/sys/fs/cgroup/app", memory__max=1000, memory__high="max", memory__current=900,
        memory__stat=stat(inactive=300, active=200, slab=100),
    )  # fmt: skip
    assert machine.bound() == cgroup.Bound(1000, 700, str(tmp_path / "sys/fs/cgroup/app"))
    machine.group("/sys/fs/cgroup/app", memory__high=950)
    assert machine.bound() == cgroup.Bound(950, 650, str(tmp_path / "sys/fs/cgroup/app"))


def test_a_group_over_its_limit_has_nothing_left_and_damaged_files_are_no_limit(tmp_path: Path) -> None:
    machine = v2(tmp_path, "0::/app\n")
    machine.group("/sys/fs/cgroup/app", memory__max=1000, memory__current=1200, memory__stat="")
    bound = machine.bound()
    assert bound is not None
    assert bound.available_bytes == 0
    machine.group("/sys/fs/cgroup/app", memory__current="what?")
    assert machine.bound() is None


def test_without_a_limit_there_is_no_bound(tmp_path: Path) -> None:
    machine = v2(tmp_path)
    machine.group("/sys/fs/cgroup/user.slice/app.scope", memory__max="max", memory__current=5, memory__stat=stat())
    assert len(machine.groups()) == 3
    assert machine.bound() is None
    assert cgroup.groups(tmp_path / "nothing") == ()


def test_a_container_sees_its_own_part_as_the_root(tmp_path: Path) -> None:
    machine = v2(tmp_path, "0::/docker/abc\n", mounted="/docker/abc")
    machine.group("/sys/fs/cgroup", memory__max=2 * GIB, memory__current=GIB, memory__stat=stat())
    bound = machine.bound()
    assert bound is not None
    assert (bound.limit_bytes, bound.folder) == (2 * GIB, str(tmp_path / "sys/fs/cgroup"))
    assert [group.folder for group in machine.groups()] == [tmp_path / "sys/fs/cgroup"]


def test_version_1_beside_an_empty_version_2(tmp_path: Path) -> None:
    machine = Machine(tmp_path, "4:memory:/jobs/one\n3:cpu,cpuacct:/\n0::/\n", V1_MOUNTS)
    no_limit = (1 << 63) - 4096
    machine.group("/sys/fs/cgroup/memory", memory__limit_in_bytes=no_limit, memory__usage_in_bytes=9 * GIB)
    machine.group("/sys/fs/cgroup/memory/jobs", memory__limit_in_bytes=no_limit, memory__usage_in_bytes=5)
    machine.group(
        "/sys/fs/cgroup/memory/jobs/one", memory__limit_in_bytes=3 * GIB, memory__usage_in_bytes=2 * GIB,
        memory__stat=f"inactive_file 7\ntotal_inactive_file {GIB // 2}\ntotal_active_file {GIB // 4}",
    )  # fmt: skip
    assert machine.bound() == cgroup.Bound(3 * GIB, GIB + 3 * GIB // 4, str(tmp_path / "sys/fs/cgroup/memory/jobs/one"))


PRESSURE = "some avg10=20.00 avg60=9.00 avg300=2.00 total={some}\nfull avg10=9.0 avg60=1.0 avg300=0.1 total={full}\n"


def test_stalls_are_those_of_the_last_moments_alone(tmp_path: Path) -> None:
    clock, machine, own = Clock(), tmp_path / "machine", tmp_path / "own"
    machine.write_text(PRESSURE.format(some=5_000_000, full=0))
    own.write_text(PRESSURE.format(some=0, full=0))
    stalls = Stalls([machine, own], clock)
    assert stalls.read() == (0.0, 0.0)
    clock.now_s += 0.5
    machine.write_text(PRESSURE.format(some=5_050_000, full=0))
    own.write_text(PRESSURE.format(some=250_000, full=125_000))
    assert stalls.read() == pytest.approx((0.5, 0.25))
    clock.now_s += 0.1
    own.write_text(PRESSURE.format(some=350_000, full=125_000))
    assert stalls.read() == pytest.approx((0.5, 0.25)), "too soon for a new reading"
    clock.now_s += 0.9
    assert stalls.read() == pytest.approx((0.1, 0.0))
    clock.now_s += 1.0
    assert stalls.read() == (0.0, 0.0)


def test_a_pressure_file_that_comes_or_goes_is_no_stall(tmp_path: Path) -> None:
    clock, file = Clock(), tmp_path / "memory.pressure"
    stalls = Stalls([file], clock)
    clock.now_s += 1
    file.write_text(PRESSURE.format(some=9_000_000, full=9_000_000))
    assert stalls.read() == (0.0, 0.0)
    file.write_text("some total=later\n")
    clock.now_s += 1
    assert stalls.read() == (0.0, 0.0)
    assert Stalls([], clock).read() == (0.0, 0.0)


@pytest.mark.parametrize(
    ("raw", "pressure"),
    [
        (b"\x01\0\0\0", Pressure.NONE), (b"\x02\0\0\0", Pressure.WARN), (b"\x04\0\0\0", Pressure.CRITICAL),
        (b"", Pressure.NONE), (b"\x09\0\0\0", Pressure.NONE),
    ],
)  # fmt: skip
def test_macos_tells_its_level(raw: bytes, pressure: Pressure) -> None:
    assert macos.pressure({"kern.memorystatus_vm_pressure_level": raw}.__getitem__) is pressure


def test_the_footprint_is_the_eighth_counter() -> None:
    counters = [11, 12, 13, 14, 15, 16, 17, 271_000_000, 19, 20]
    raw = bytes(range(16)) + struct.pack("=10Q", *counters) + bytes(64)
    assert macos.footprint_of(raw) == 271_000_000
    assert macos.footprint_of(raw[:40]) == 0


@pytest.mark.parametrize(
    ("wired_mb", "total", "cap"),
    [(0, 64 * GIB, 48 * GIB), (0, 24 * GIB, 16 * GIB), (20_000, 24 * GIB, 20_000 << 20)],
)
def test_the_working_set_before_metal_has_told(wired_mb: int, total: int, cap: int) -> None:
    assert macos.working_set_bytes(lambda name: wired_mb.to_bytes(4, "little"), total) == cap


class Library:
    """NVIDIA's library, as far as it is asked; every function returns `code` and fills its last argument."""

    def __init__(self, code: int = 0) -> None:
        self.code = code
        self.asked: list[tuple[str, Any]] = []

    def nvmlInit_v2(self) -> int:
        return self.code

    def nvmlDeviceGetHandleByIndex_v2(self, number: ctypes.c_uint, device: Any) -> int:
        self.asked.append(("index", number.value))
        return self.code

    def nvmlDeviceGetHandleByUUID(self, name: bytes, device: Any) -> int:
        self.asked.append(("uuid", name))
        return self.code

    def nvmlDeviceGetMemoryInfo(self, device: Any, memory: Any) -> int:
        found = memory._obj
        found.total, found.free, found.used = 140 * GIB, 100 * GIB, 40 * GIB
        return self.code


@pytest.mark.parametrize(
    ("visible", "asked"), [("", ("index", 0)), ("2,3", ("index", 2)), ("GPU-7", ("uuid", b"GPU-7"))]
)
def test_a_gpu_is_asked_for_its_memory(visible: str, asked: tuple[str, object]) -> None:
    library = Library()
    gpu = Gpu(visible, library)
    assert gpu.memory() == (140 * GIB, 100 * GIB)
    assert gpu.memory() == (140 * GIB, 100 * GIB)
    assert library.asked == [asked]


def test_a_gpu_that_cannot_be_asked_has_no_memory() -> None:
    assert Gpu("", Library(code=9)).memory() == (0, 0)
