"""The accounts of the whole directory, in memory."""

from __future__ import annotations

from collections.abc import Iterator

from omlx_daemon.coldstore.layout import Layout, read_namespace
from omlx_daemon.coldstore.scan import NamespaceScan, Scan, Strays
from omlx_daemon.ledger.index import Record
from omlx_daemon.ledger.reconcile import reconcile, reconcile_other
from omlx_daemon.ledger.space import Space


class Book:
    """Every namespace's account, and what lies outside of them."""

    def __init__(self, layout: Layout) -> None:
        self._layout = layout
        self._spaces: dict[str, Space] = {}
        self.foreign = Strays()
        self.unreadable = 0
        self.own_bytes = 0
        """Lock, tag, pins, budget, and the directories above the namespaces."""

    def __iter__(self) -> Iterator[Space]:
        return iter(self._spaces.values())

    @property
    def used_bytes(self) -> int:
        """Bytes on disk of everything in the directory."""
        return self.own_bytes + self.foreign.disk_bytes + sum(space.used_bytes for space in self)

    @property
    def reserved_bytes(self) -> int:
        """Bytes promised to writers."""
        return sum(space.reserved_bytes for space in self)

    def get(self, name: str) -> Space | None:
        """Return a namespace's account, or None."""
        return self._spaces.get(name)

    def open(self, name: str) -> Space:
        """Return a namespace's account, begun where there is none. Raises ValueError for no fingerprint."""
        space = self._spaces.get(name)
        if space is None:
            directory = self._layout.namespace(name)
            space = self._spaces[name] = Space(name, directory, read_namespace(directory).model)
        return space

    def close(self, name: str) -> None:
        """Strike out a namespace whose directory is gone."""
        self._spaces.pop(name, None)

    def of_model(self, model: str) -> list[Space]:
        """Return the accounts that share a model's name; the nameless share none."""
        return [space for space in self if model and space.model == model]

    def fill(self, found: Scan, now_ns: int) -> None:
        """Begin the accounts from a scan of the directory."""
        self._note_outside(found)
        for name, scanned in found.namespaces.items():
            self.open(name).fill(scanned, now_ns)
        for name, files in found.other_versions.items():
            self._open_other(name).fill_other(files, now_ns)

    def reconcile(self, found: Scan, now_ns: int) -> Iterator[tuple[Space, list[Record]]]:
        """Correct the accounts by a scan that may be a moment old; yield namespaces with the blocks that are gone.

        Raises OSError.
        """
        self._note_outside(found)
        for name in found.namespaces.keys() - self._spaces.keys():
            self.open(name)
        for name in found.other_versions.keys() - self._spaces.keys():
            self._open_other(name)
        for space in list(self):
            if space.current:
                yield space, reconcile(space, found.namespaces.get(space.name, NamespaceScan()), now_ns)
            else:
                reconcile_other(space, found.other_versions.get(space.name, ()), now_ns)

    def _note_outside(self, found: Scan) -> None:
        self.foreign = found.foreign
        self.unreadable = found.unreadable
        self.own_bytes = found.own_bytes + sum(file.disk_bytes for file in found.temporaries)

    def _open_other(self, name: str) -> Space:
        model = read_namespace(self._layout.root / name).model
        space = self._spaces[name] = Space(name, self._layout.root / name, model, current=False)
        return space
