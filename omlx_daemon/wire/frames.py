"""Framing: length-prefixed msgpack over a stream, for both sides of a socketpair."""

from __future__ import annotations

import asyncio
import socket
import struct
from typing import TypeVar

import msgspec

MAX_FRAME_BYTES = 256 << 20
_LENGTH = struct.Struct("<I")

T = TypeVar("T")


class FrameError(Exception):
    """The peer closed in the middle of a frame, or sent one that cannot be read."""


def pack(message: msgspec.Struct) -> bytes:
    """Return `message` as one frame."""
    body = msgspec.msgpack.encode(message)
    return _LENGTH.pack(len(body)) + body


def receive(connection: socket.socket, decoder: msgspec.msgpack.Decoder[T]) -> T | None:
    """Block for one message; None when the peer closed between frames. Raises FrameError."""
    header = _receive_exactly(connection, _LENGTH.size)
    if not header:
        return None
    body = _receive_exactly(connection, _body_bytes(header))
    return _decode(decoder, body)


async def read(reader: asyncio.StreamReader, decoder: msgspec.msgpack.Decoder[T]) -> T | None:
    """Await one message; None when the peer closed between frames. Raises FrameError."""
    try:
        header = await reader.readexactly(_LENGTH.size)
        body = await reader.readexactly(_body_bytes(header))
    except asyncio.IncompleteReadError as error:
        if not error.partial and error.expected == _LENGTH.size:
            return None
        raise FrameError("the peer closed in the middle of a frame") from error
    except OSError:
        return None
    return _decode(decoder, body)


def _body_bytes(header: bytes) -> int:
    (count,) = _LENGTH.unpack(header)
    if not 0 < count <= MAX_FRAME_BYTES:
        raise FrameError(f"a frame of {count} bytes")
    return int(count)


def _decode(decoder: msgspec.msgpack.Decoder[T], body: bytes) -> T:
    try:
        return decoder.decode(body)
    except msgspec.DecodeError as error:
        raise FrameError(str(error)) from error


def _receive_exactly(connection: socket.socket, count: int) -> bytes:
    """Return `count` bytes, or none at all where the peer closed before the first. Raises FrameError."""
    parts: list[bytes] = []
    missing = count
    while missing:
        try:
            part = connection.recv(min(missing, 1 << 20))
        except ConnectionError:
            part = b""
        if not part:
            if missing == count and count == _LENGTH.size:
                return b""
            raise FrameError("the peer closed in the middle of a frame")
        parts.append(part)
        missing -= len(part)
    return b"".join(parts)
