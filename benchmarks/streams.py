"""Clients of streamed answers, many in one thread, that cost next to nothing: they keep the bytes and count later."""

from __future__ import annotations

import json
import selectors
import socket
from collections.abc import Callable, Sequence

CHAT, TEXT = "/v1/chat/completions", "/v1/completions"
CONTENT = b'"delta":{"content":"'
_PIECES = CONTENT, b'"text":"'
_END = b"0\r\n\r\n"


class Stream:
    """One request over a connection of its own, sent at once: a chat where it has `messages`."""

    def __init__(self, address: str, body: dict[str, object]) -> None:
        host, _, port = address.rpartition(":")
        content = json.dumps({**body, "stream": True, "stream_options": {"include_usage": True}}).encode()
        path = CHAT if "messages" in body else TEXT
        head = f"POST {path} HTTP/1.1\r\nHost: {address}\r\nContent-Type: application/json\r\n"
        self.connection = socket.create_connection((host, int(port)))
        self.connection.sendall(f"{head}Content-Length: {len(content)}\r\n\r\n".encode() + content)
        self._received: list[bytes] = []

    def read(self) -> bytes:
        """Return what is there, and keep it; nothing where the connection was closed."""
        data = self.connection.recv(1 << 16)
        self._received.append(data)
        return data

    @property
    def transcript(self) -> bytes:
        """All that was received. Raises SystemExit where that is no whole stream."""
        text = b"".join(self._received)
        if b"data: [DONE]\n\n" not in text:
            raise SystemExit(f"a stream broke off: {text[-500:].decode(errors='replace')}")
        return text

    @property
    def tokens(self) -> int:
        """The tokens that the answer's usage counts."""
        usage = self.transcript.rpartition(b'"completion_tokens":')[2]
        return int(usage.partition(b",")[0])


def read_all(streams: Sequence[Stream], on_first: Callable[[], None]) -> None:
    """Read all to their ends; call `on_first` at the first piece of text of any."""
    selector = selectors.DefaultSelector()
    for stream in streams:
        selector.register(stream.connection, selectors.EVENT_READ, stream)
    begun = False
    while selector.get_map():
        for key, _ in selector.select():
            stream = key.data
            data = stream.read()
            if not begun and any(piece in data for piece in _PIECES):
                begun = True
                on_first()
            if not data or data.endswith(_END):
                selector.unregister(stream.connection)
                stream.connection.close()
    selector.close()
