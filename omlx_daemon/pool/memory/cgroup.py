"""Control groups: the memory that a container or a service leaves to this process. Versions 1 and 2."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

UNLIMITED_BYTES = 1 << 60
"""Version 1 writes a number near 2**63 where there is no limit."""


@dataclass(frozen=True, slots=True)
class Group:
    """One group on the way from this process to the root, with the names of its version's files."""

    folder: Path
    limits: tuple[str, ...]
    used: str
    reclaimable: tuple[str, ...]
    """Keys of `memory.stat` that the kernel gives up before it refuses anything."""


@dataclass(frozen=True, slots=True)
class Bound:
    """The tightest limit there is."""

    limit_bytes: int
    available_bytes: int
    folder: str


_V2 = (("memory.max", "memory.high"), "memory.current", ("inactive_file", "active_file", "slab_reclaimable"))
_V1 = (("memory.limit_in_bytes",), "memory.usage_in_bytes", ("total_inactive_file", "total_active_file"))


def groups(proc: Path = Path("/proc/self"), root: Path | None = None) -> tuple[Group, ...]:
    """Return this process's memory groups, its own first; none where there are no control groups."""
    try:
        membership = (proc / "cgroup").read_text()
        mounts = (proc / "mountinfo").read_text()
    except OSError:
        return ()
    found: list[Group] = []
    for line in membership.splitlines():
        number, _, rest = line.partition(":")
        controllers, _, path = rest.partition(":")
        if number == "0" and not controllers:
            found += _chain(_mount(mounts, "cgroup2", "", root), path, _V2)
        elif "memory" in controllers.split(","):
            found += _chain(_mount(mounts, "cgroup", "memory", root), path, _V1)
    return tuple(found)


def bound(found: tuple[Group, ...], read: Callable[[Path], str | None] | None = None) -> Bound | None:
    """Return the group that leaves the least, None where none sets a limit."""
    bounds = [one for group in found if (one := _bound_of(group, read or _text))]
    return min(bounds, key=lambda one: one.available_bytes, default=None)


def _bound_of(group: Group, read: Callable[[Path], str | None]) -> Bound | None:
    limits = [value for name in group.limits if (value := _number(read(group.folder / name))) is not None]
    limits = [value for value in limits if value < UNLIMITED_BYTES]
    used_bytes = _number(read(group.folder / group.used)) if limits else None
    if used_bytes is None:
        return None
    lines = map(str.split, (read(group.folder / "memory.stat") or "").splitlines())
    stat = {line[0]: line[1] for line in lines if len(line) == 2}
    again_bytes = sum(_number(stat.get(key)) or 0 for key in group.reclaimable)
    limit_bytes = min(limits)
    taken_bytes = max(0, used_bytes - again_bytes)
    return Bound(limit_bytes, max(0, limit_bytes - taken_bytes), str(group.folder))


def _chain(
    mount: tuple[Path, str] | None, path: str, version: tuple[tuple[str, ...], str, tuple[str, ...]]
) -> Iterator[Group]:
    if mount is None:
        return
    place, inside = mount
    steps = PurePosixPath(path)
    # Inside a container the path may be told from the host's root, of which only a part is mounted.
    relative = steps.relative_to(inside) if steps.is_relative_to(inside) else PurePosixPath()
    folders = [place / relative, *(place / relative).parents]
    for folder in folders[: len(relative.parts) + 1]:
        yield Group(folder, *version)


def _mount(mounts: str, kind: str, option: str, root: Path | None) -> tuple[Path, str] | None:
    """Return where a hierarchy is mounted, and which of its folders."""
    for line in mounts.splitlines():
        before, _, after = line.partition(" - ")
        fields, rest = before.split(), after.split()
        if len(fields) < 5 or not rest or rest[0] != kind:
            continue
        if option and option not in rest[-1].split(","):
            continue
        place = Path(fields[4])
        return (root / place.relative_to("/") if root else place), fields[3]
    return None


def _number(text: str | None) -> int | None:
    try:
        return int(text or "")
    except ValueError:
        return None


def _text(path: Path) -> str | None:
    try:
        return path.read_text()
    except OSError:
        return None
