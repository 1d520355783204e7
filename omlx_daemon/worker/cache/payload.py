"""What the cache needs of the code that knows the model's arrays. The cache itself never looks inside a payload."""

from __future__ import annotations

from collections.abc import Generator, Sequence
from dataclasses import dataclass
from typing import Protocol

from omlx_daemon.coldstore.blockfile import Header, Tensor
from omlx_daemon.coldstore.names import BlockName, Part


@dataclass(frozen=True, slots=True)
class Needs:
    """Which parts a model's restore takes."""

    tokens: bool = True
    windows: tuple[int, ...] = ()
    """The distinct window lengths, longest first."""
    state: bool = False


class Unusable(Exception):
    """Arrays or a file that are not what the model's layout promises. Says why."""


class NotAlive(Unusable):
    """Rows that the live cache has no longer, or not yet."""


class Payload(Protocol):
    """One part of one block, never changed. Any thread may ask for its tensors."""

    @property
    def nbytes(self) -> int:
        """Bytes held in memory."""
        ...

    @property
    def is_ready(self) -> bool:
        """Whether it has been copied and sealed. Any thread; never changes back."""
        ...

    def tensors(self) -> Sequence[Tensor]:
        """Return the tensors as they are stored, once `is_ready`. Raises OSError where they cannot be had."""
        ...


class Buffer(Protocol):
    """Memory that a reader fills with a file's payload."""

    def pieces(self, size_bytes: int) -> Generator[memoryview]:
        """Yield memory to fill, piece after piece, `size_bytes` together; one piece is done when the next is asked for.

        Close it when giving up half-way. Any thread; raises OSError.
        """
        ...


@dataclass(frozen=True, slots=True)
class Span:
    """Rows of a window part: `payload` holds the last rows before `end`, valid for this prompt before `usable`."""

    payload: Payload
    end: int
    usable: int


class Assembly(Protocol):
    """A model cache that is being filled. Engine thread only."""

    def place(self, payload: Payload, rows: int, position: int) -> None:
        """Put the first `rows` rows of a tokens part at `position`; the payload is held until that is done."""
        ...

    def settle(self) -> None:
        """Do what was asked for with `place`, as far as that is worth it now."""
        ...

    def finish(self, position: int, windows: Sequence[Span], state: Payload | None) -> object:
        """Return the model cache that holds `position` tokens."""
        ...


class Codec(Protocol):
    """The model's arrays to payloads and back. Engine thread only."""

    @property
    def needs(self) -> Needs:
        """Which parts a restore takes."""
        ...

    def capture(self, source: object, part: Part, start: int, end: int) -> Payload:
        """Take a copy of rows [start, end) (of the state after `end` tokens) from a live cache.

        The copy is begun by the next `settle`. Raises NotAlive where the rows are not there,
        Unusable where they are not what they should be.
        """
        ...

    def gather(self, source: object, start: int, end: int) -> None:
        """Expect captures of tokens parts within the rows [start, end), until the next `settle`.

        Raises as `capture` does.
        """
        ...

    def settle(self, payloads: Sequence[Payload]) -> None:
        """Begin to make the copies that `capture` described; the live cache may change from now on."""
        ...

    def seal(self, all_of_them: bool) -> None:
        """Wait for copies and hand their bytes to other threads: all, or those that were begun before the last call.

        Those are done already where the model has made a step since.
        """
        ...

    def buffer(self, size_bytes: int, bounded: bool) -> Buffer | None:
        """Return memory to read a file into, or None when `bounded` and too much of it is in use."""
        ...

    def decode(self, name: BlockName, header: Header, buffer: Buffer) -> Payload:
        """Return the payload that lies in a filled buffer. Raises Unusable."""
        ...

    def difference(self, stored: Payload, computed: Payload, part: Part) -> float:
        """Return the distance of two payloads of one part as a share of the second; infinite for other shapes."""
        ...

    def assembly(self, capacity_tokens: int) -> Assembly:
        """Begin a model cache with room for `capacity_tokens`."""
        ...


@dataclass(frozen=True, slots=True)
class Block:
    """A part of a block on its way into a tier."""

    name: BlockName
    payload: Payload
    ids: bytes | None
    """Packed token ids of the block; None where they do not tell what it holds."""
    salt_digest: str = ""
    """Of the chain's salt, where the block begins a chain that has one."""
