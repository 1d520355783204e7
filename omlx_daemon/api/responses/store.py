"""Conversations that can be gone on from by the id of their last response: in memory, the last ones, bounded."""

from __future__ import annotations

from collections import OrderedDict
from itertools import chain

import msgspec

from omlx_cli.contract.errors import Code, OmlxError
from omlx_daemon.api.responses.replies import Response
from omlx_daemon.api.responses.schema import Item

MAX_RESPONSES = 1000
MAX_BYTES = 64 << 20


class Kept(msgspec.Struct, frozen=True, kw_only=True):
    """A response, and the conversation that it answers, instructions left out."""

    response: Response
    turns: tuple[tuple[Item, ...], ...]
    """What clients said and what was answered, in turn, as items that have an id each."""

    @property
    def items(self) -> tuple[Item, ...]:
        """Every item of the conversation that it answers."""
        return tuple(chain.from_iterable(self.turns))

    @property
    def whole(self) -> tuple[tuple[Item, ...], ...]:
        """The conversation with the response at its end."""
        return (*self.turns, tuple(msgspec.to_builtins(self.response.output)))


class ResponseStore:
    """The most recently used responses. An owner sees nothing of another one's. Event loop only."""

    def __init__(self, max_responses: int = MAX_RESPONSES, max_bytes: int = MAX_BYTES) -> None:
        self._max_responses, self._max_bytes = max_responses, max_bytes
        self._kept: OrderedDict[tuple[str, str], tuple[Kept, int]] = OrderedDict()
        self._size_bytes = 0

    def __len__(self) -> int:
        return len(self._kept)

    def keep(self, owner: str, kept: Kept) -> None:
        """Keep a response, and let go of the least recently used ones that no longer fit."""
        size_bytes = len(msgspec.msgpack.encode(kept))
        self._kept[owner, kept.response.id] = kept, size_bytes
        self._size_bytes += size_bytes
        while len(self._kept) > self._max_responses or self._size_bytes > self._max_bytes:
            _, (_, gone_bytes) = self._kept.popitem(last=False)
            self._size_bytes -= gone_bytes

    def find(self, owner: str, response_id: str, param: str = "") -> Kept:
        """Return a response that is kept. Raises OmlxError(NOT_FOUND) that names the field `param`."""
        found = self._kept.get((owner, response_id))
        if found is None:
            message = f"the response {response_id[:200]!r} is not kept"
            hint = f"the last {self._max_responses} are, until the daemon stops; send the whole conversation"
            raise OmlxError(Code.NOT_FOUND, message, hint, param=param)
        self._kept.move_to_end((owner, response_id))
        return found[0]

    def forget(self, owner: str, response_id: str) -> None:
        """Let go of a response. Raises OmlxError(NOT_FOUND)."""
        self.find(owner, response_id)
        _, gone_bytes = self._kept.pop((owner, response_id))
        self._size_bytes -= gone_bytes
