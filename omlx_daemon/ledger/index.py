"""One namespace's files in the order in which they go: least recent first, tails before heads of a chain.

A block that another continues is not evictable; as a chain is touched whole, its tail then goes before its head. A
window or state part is a checkpoint: nothing hangs on it, so it may always go, and before the rows of its block,
without which it is of no use. One inside a chain, that nobody restores from, goes earlier than its age says; one that
has lost its rows goes before everything. Models without rows of all tokens have checkpoints alone.
"""

from __future__ import annotations

import heapq
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from itertools import count

from omlx_daemon.coldstore.scan import FoundFile

HANDICAP_NS = 3600 * 10**9
"""How much older a checkpoint inside a chain counts than it is."""

_HASH = slice(0, 16)
_PARENT = slice(65, 81)
_PART_MARK = ".t."
_FULL_MARK = "-256."
_NOT_QUEUED = -1
_SLACK = 1000

Key = tuple[int, int]
"""When a file goes: recency in ns, then rank."""


class Node:
    """A block, whichever of its parts are here; known by the first 16 digits of its hash."""

    __slots__ = ("children", "records")

    def __init__(self) -> None:
        self.records: list[Record] = []
        self.children = 0
        """Files of blocks that continue this one, and holds."""

    @property
    def has_checkpoints(self) -> bool:
        """Whether a window or a state of the block is here."""
        return len(self.records) > 1 and any(record.checkpoint for record in self.records)

    @property
    def has_rows(self) -> bool:
        """Whether the rows of the block are here."""
        return any(not record.checkpoint for record in self.records)


class Record:
    """One file."""

    __slots__ = (
        "checkpoint", "disk_bytes", "filename", "node", "parent", "rank", "recency_ns", "saved_ns", "size_bytes",
        "token",
    )  # fmt: skip

    def __init__(self, found: FoundFile, recency_ns: int, node: Node, parent: Node | None) -> None:
        self.filename, self.size_bytes, self.disk_bytes, self.saved_ns = found
        self.recency_ns = recency_ns
        self.node = node
        self.parent = parent
        self.token = _NOT_QUEUED
        self.checkpoint = parent is not None and _PART_MARK not in self.filename
        self.rank = _rank(self.filename, self.checkpoint)


class Index:
    """The files of one namespace, or, with `chained` false, files without order among them. Not thread-safe."""

    def __init__(self, *, chained: bool = True) -> None:
        self._chained = chained
        self._records: dict[str, Record] = {}
        self._nodes: dict[str, Node] = {}
        self._queue: list[tuple[int, int, int, Record]] = []
        self._tokens = count()
        self._pinned: frozenset[str] = frozenset()
        self._rows = 0
        self.size_bytes = 0
        self.disk_bytes = 0

    def __len__(self) -> int:
        return len(self._records)

    def __iter__(self) -> Iterator[Record]:
        return iter(self._records.values())

    def __contains__(self, filename: str) -> bool:
        return filename in self._records

    def get(self, filename: str) -> Record | None:
        """Return the record of a file, or None."""
        return self._records.get(filename)

    def fill(self, found: Iterable[FoundFile], now_ns: int) -> None:
        """Add many files at once; a time stamp from the future counts as now."""
        for file in found:
            self._insert(file, min(file.mtime_ns, now_ns))
        self._rebuild()

    def add(self, found: FoundFile, recency_ns: int) -> Record:
        """Add a file, or correct its size and recency where it is known."""
        self.drop(found.filename)
        record = self._insert(found, recency_ns)
        self._enqueue(record)
        if record.parent is not None and record.parent.children == 1:
            self._requeue(record.parent)
        self._compact()
        return record

    def drop(self, filename: str) -> Record | None:
        """Forget a file; return its record, or None where it was not known."""
        record = self._records.pop(filename, None)
        if record is None:
            return None
        record.token = _NOT_QUEUED
        self.size_bytes -= record.size_bytes
        self.disk_bytes -= record.disk_bytes
        record.node.records.remove(record)
        if record.parent is not None:
            self._rows -= not record.checkpoint
            self._requeue(record.node)
            self._release(record.parent)
            self._forget_node(filename[_HASH])
            self._forget_node(filename[_PARENT])
        return record

    def restore(self, record: Record) -> None:
        """Take back what `drop` gave."""
        self.add(FoundFile(record.filename, record.size_bytes, record.disk_bytes, record.saved_ns), record.recency_ns)

    def touch(self, filenames: Iterable[str], now_ns: int) -> None:
        """Note that these files were used; unknown ones are passed over."""
        for filename in filenames:
            if record := self._records.get(filename):
                record.recency_ns = max(record.recency_ns, now_ns)

    def peek(self) -> Key | None:
        """Return the key of the file that goes next, or None where none may go."""
        while self._queue:
            recency_ns, rank, token, record = self._queue[0]
            if token == record.token and self._is_evictable(record):
                if self._key(record) == (recency_ns, rank):
                    return recency_ns, rank
                heapq.heappop(self._queue)
                self._enqueue(record)
            else:
                heapq.heappop(self._queue)
                if token == record.token:
                    record.token = _NOT_QUEUED
        return None

    def pop(self) -> Record | None:
        """Forget the file that goes next and return its record, or None where none may go."""
        if self.peek() is None:
            return None
        return self.drop(self._queue[0][3].filename)

    @contextmanager
    def held(self, prefix: str) -> Iterator[None]:
        """Keep a block, by the first 16 digits of its hash, and so all before it, from going meanwhile."""
        node = self._nodes.get(prefix)
        if node is not None:
            node.children += 1
        yield
        if node is not None:
            self._release(node)

    def pin(self, prefixes: frozenset[str]) -> None:
        """Replace the set of pinned blocks, by the first 16 digits of their hashes."""
        if prefixes != self._pinned:
            self._pinned = prefixes
            self._rebuild()

    def is_pinned(self, record: Record) -> bool:
        """Return whether a file's block is pinned."""
        return bool(self._pinned) and record.filename[_HASH] in self._pinned

    def pinned(self) -> Iterator[Record]:
        """Yield the files of pinned blocks."""
        return self.of(self._pinned)

    def of(self, prefixes: Iterable[str]) -> Iterator[Record]:
        """Yield the files of the blocks whose hashes begin with these 16 digits."""
        for prefix in prefixes:
            if node := self._nodes.get(prefix):
                yield from node.records

    def _insert(self, found: FoundFile, recency_ns: int) -> Record:
        filename = found.filename
        if self._chained:
            node, parent = self._node(filename[_HASH]), self._node(filename[_PARENT])
            parent.children += 1
            record = Record(found, recency_ns, node, parent)
            self._rows += not record.checkpoint
        else:
            record = Record(found, recency_ns, Node(), None)
        record.node.records.append(record)
        self._records[filename] = record
        self.size_bytes += record.size_bytes
        self.disk_bytes += record.disk_bytes
        return record

    def _node(self, prefix: str) -> Node:
        node = self._nodes.get(prefix)
        if node is None:
            node = self._nodes[prefix] = Node()
        return node

    def _release(self, node: Node) -> None:
        node.children -= 1
        if not node.children:
            self._requeue(node)

    def _forget_node(self, prefix: str) -> None:
        node = self._nodes.get(prefix)
        if node is not None and not node.records and not node.children:
            del self._nodes[prefix]

    def _key(self, record: Record) -> Key:
        if not record.checkpoint:
            return record.recency_ns, record.rank
        if self._rows and not record.node.has_rows:
            return 0, record.rank
        return record.recency_ns - (HANDICAP_NS if record.node.children else 0), record.rank

    def _is_evictable(self, record: Record) -> bool:
        is_needed = not record.checkpoint and (record.node.children or record.node.has_checkpoints)
        return not is_needed and not self.is_pinned(record)

    def _enqueue(self, record: Record) -> None:
        if self._is_evictable(record):
            record.token = next(self._tokens)
            heapq.heappush(self._queue, (*self._key(record), record.token, record))

    def _requeue(self, node: Node) -> None:
        for record in node.records:
            self._enqueue(record)

    def _compact(self) -> None:
        if len(self._queue) > 2 * len(self._records) + _SLACK:
            self._rebuild()

    def _rebuild(self) -> None:
        self._queue = []
        for record in self._records.values():
            record.token = _NOT_QUEUED
            if self._is_evictable(record):
                record.token = next(self._tokens)
                self._queue.append((*self._key(record), record.token, record))
        heapq.heapify(self._queue)


def _rank(filename: str, checkpoint: bool) -> int:
    """Return what goes first at equal recency: checkpoints, then unfinished tails, then full blocks."""
    if checkpoint:
        return 0
    return 2 if _FULL_MARK in filename else 1
