"""The account of one namespace."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path

from omlx_daemon.coldstore.layout import QUARANTINE
from omlx_daemon.coldstore.scan import FoundFile, NamespaceScan, Strays
from omlx_daemon.ledger.index import Index


class Shelf:
    """Files of one kind in one directory, in the order in which they go."""

    def __init__(self, directory: Path, kind: str, index: Index) -> None:
        self.directory = directory
        self.kind = kind
        """`block`, `quarantined` or `other`."""
        self.index = index

    def path(self, filename: str) -> str:
        """Return where a file lies below the directory."""
        if self.kind == "block":
            return f"{filename[:2]}/{filename}"
        return f"{QUARANTINE}/{filename}" if self.kind == "quarantined" else filename


class Space:
    """One namespace: its blocks, what else lies beside them, and what is promised to its writers."""

    def __init__(self, name: str, directory: Path, model: str, *, current: bool = True) -> None:
        self.name = name
        """The fingerprint; below another format's directory `<directory>/<fingerprint>`."""
        self.directory = directory
        self.model = model
        self.details: Mapping[str, str] = {}
        """What the fingerprint covers, as its writer told."""
        self.current = current
        """Of this block format."""
        self.blocks = Shelf(directory, "block" if current else "other", Index(chained=current))
        self.quarantined = Shelf(directory, "quarantined", Index(chained=False))
        self.foreign = Strays()
        self.symlinks = 0
        self.unreadable = 0
        """Directories that could not be listed."""
        self._directories: dict[str, int] = {}
        self._description_bytes = 0
        self._temporary_bytes = 0
        self._reserved: dict[str, int] = {}

    @property
    def owners(self) -> tuple[str, ...]:
        """Who writes here."""
        return tuple(self._reserved)

    @property
    def reserved_bytes(self) -> int:
        """Promised and not yet written."""
        return sum(self._reserved.values())

    @property
    def temporary_bytes(self) -> int:
        """Bytes of temporaries that no promise covers."""
        return max(0, self._temporary_bytes - self.reserved_bytes)

    @property
    def overhead_bytes(self) -> int:
        """Bytes of the directories and of the namespace's description."""
        return sum(self._directories.values()) + self._description_bytes

    @property
    def used_bytes(self) -> int:
        """Everything below the directory, promises left aside."""
        files_bytes = self.blocks.index.disk_bytes + self.quarantined.index.disk_bytes
        return files_bytes + self.overhead_bytes + self.temporary_bytes + self.foreign.disk_bytes

    def shelves(self) -> Iterator[Shelf]:
        """Yield the files that may go; what is in quarantine goes first."""
        yield self.quarantined
        yield self.blocks

    def attach(self, owner: str) -> None:
        """Note that `owner` writes here."""
        self._reserved.setdefault(owner, 0)

    def detach(self, owner: str) -> bool:
        """Forget `owner` and what was promised to it; return whether it was known."""
        return self._reserved.pop(owner, None) is not None

    def promise(self, owner: str, count_bytes: int) -> None:
        """Set bytes aside for `owner`."""
        self._reserved[owner] = self._reserved.get(owner, 0) + count_bytes

    def settle(self, owner: str, count_bytes: int) -> None:
        """Take `count_bytes` off what was promised to `owner`, down to nothing."""
        if owner in self._reserved:
            self._reserved[owner] = max(0, self._reserved[owner] - count_bytes)

    def note_directory(self, name: str, disk_bytes: int) -> None:
        """Set the bytes of a directory below the namespace's, or of its own where `name` is empty."""
        self._directories[name] = disk_bytes

    def note_description(self, disk_bytes: int) -> None:
        """Set the bytes of the namespace's description."""
        self._description_bytes = disk_bytes

    def fill(self, found: NamespaceScan, now_ns: int) -> None:
        """Take over a whole scan; the account was empty."""
        self.blocks.index.fill(found.blocks, now_ns)
        self.quarantined.index.fill(found.quarantined, now_ns)
        self.note(found)

    def fill_other(self, files: list[FoundFile], now_ns: int) -> None:
        """Take over the files of another format's namespace; the account was empty."""
        self.blocks.index.fill(files, now_ns)

    def note(self, found: NamespaceScan) -> None:
        """Take over what a scan says of everything but blocks and quarantine."""
        self.foreign = found.foreign
        self.symlinks = found.symlinks
        self.unreadable = found.unreadable
        self._directories = dict(found.directories)
        self._description_bytes = found.description_bytes
        self._temporary_bytes = sum(file.disk_bytes for file in found.temporaries)
