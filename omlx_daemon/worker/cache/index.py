"""Which blocks follow which. Says nothing about where they lie: a node may have lost all its parts."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import islice

from omlx_daemon.coldstore.names import PARENT_BYTES

MAX_SIBLINGS = 64
"""How many of a block's successors a lookup looks at, newest first."""


@dataclass(slots=True)
class Node:
    """A block that is or was stored somewhere."""

    hash: bytes
    parent: bytes
    """The first bytes of the parent's hash."""
    tokens: int
    ids: bytes | None = None
    """Packed token ids, or None while they are unknown."""


class Index:
    """Blocks by hash and by parent."""

    def __init__(self) -> None:
        self._nodes: dict[bytes, Node] = {}
        self._children: dict[bytes, dict[bytes, Node]] = {}

    def __len__(self) -> int:
        return len(self._nodes)

    def __contains__(self, digest: bytes) -> bool:
        return digest in self._nodes

    def add(self, digest: bytes, parent: bytes, tokens: int, ids: bytes | None = None) -> Node:
        """Note a block, newest among its siblings; `ids` are kept where they were unknown."""
        parent = parent[:PARENT_BYTES]
        node = self._nodes.get(digest)
        if node is None:
            node = self._nodes[digest] = Node(digest, parent, tokens)
        siblings = self._children.setdefault(parent, {})
        siblings.pop(digest, None)
        siblings[digest] = node
        node.ids = node.ids or ids
        return node

    def get(self, digest: bytes) -> Node | None:
        """Return a block, if it was ever noted."""
        return self._nodes.get(digest)

    def children(self, parent: bytes) -> Iterator[Node]:
        """Return the blocks that follow the one with hash `parent`, newest first, not too many."""
        siblings = self._children.get(parent[:PARENT_BYTES])
        return islice(reversed(siblings.values()), MAX_SIBLINGS) if siblings else iter(())

    def sweep(self, held: Callable[[bytes], bool]) -> None:
        """Forget the blocks of which nothing is held."""
        for digest in [digest for digest in self._nodes if not held(digest)]:
            node = self._nodes.pop(digest)
            siblings = self._children[node.parent]
            del siblings[digest]
            if not siblings:
                del self._children[node.parent]

    def clear(self) -> None:
        """Forget every block."""
        self._nodes.clear()
        self._children.clear()
