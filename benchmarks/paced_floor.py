"""The least a relay can do: reads the paced worker's frames and writes ready-made bytes. The streaming yardstick.

    python -m benchmarks.paced_floor --ready-fd N

Listens on a free port, says so on the file descriptor, and answers what `benchmarks.streaming` asks.
"""

from __future__ import annotations

import asyncio
import json
import os
import socket
import sys

import msgspec
import uvloop

from benchmarks.paced_daemon import WORKER
from omlx_daemon.core.events import Finished, Text
from omlx_daemon.core.requests import GenerationRequest, Sampling, TextPrompt
from omlx_daemon.wire.frames import pack, read
from omlx_daemon.wire.messages import Events, Note, Start, Submit

HEAD = b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n"
PIECE = (
    b'data: {"id":"chatcmpl-%s","object":"chat.completion.chunk","created":1767225600,"model":"paced","choices":'
    b'[{"index":0,"delta":{"content":" word"},"logprobs":null,"finish_reason":null}],"usage":null}\n\n'
)
END = b"data: [DONE]\n\n"


def chunk(body: bytes) -> bytes:
    """Return `body` as a chunk of HTTP."""
    return b"%x\r\n%s\r\n" % (len(body), body)


class Floor:
    """All connections by their request's id."""

    def __init__(self, worker: asyncio.StreamWriter) -> None:
        self._worker = worker
        self._clients: dict[str, asyncio.StreamWriter] = {}
        self._piece = chunk(PIECE % (b"0" * 32))

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Take one request; its answer is written by `relay`."""
        head = (await reader.readuntil(b"\r\n\r\n")).lower()
        length = int(head.partition(b"content-length: ")[2].partition(b"\r\n")[0])
        body = json.loads(await reader.readexactly(length))
        name = f"{len(self._clients):032}"
        self._clients[name] = writer
        sampling = Sampling(max_tokens=body["max_tokens"])
        request = GenerationRequest(
            id=name, model="paced", prompt=TextPrompt(text="x"), sampling=sampling, client=body["user"]
        )
        writer.write(HEAD)
        self._worker.write(pack(Submit(request=request)))

    async def relay(self, reader: asyncio.StreamReader) -> None:
        """Write one chunk for each token that comes, until the worker is gone."""
        decoder: msgspec.msgpack.Decoder[Note] = msgspec.msgpack.Decoder(Note)
        while (note := await read(reader, decoder)) is not None:
            for name, event in note.items if isinstance(note, Events) else ():
                if isinstance(event, Text):
                    self._clients[name].write(self._piece)
                elif isinstance(event, Finished):
                    self._clients[name].write(chunk(END) + b"0\r\n\r\n")


async def run(ready_fd: int) -> None:
    """Serve until killed."""
    ours, theirs = socket.socketpair()
    await asyncio.create_subprocess_exec(*WORKER, "--fd", str(theirs.fileno()), pass_fds=(theirs.fileno(),))
    theirs.close()
    reader, writer = await asyncio.open_unix_connection(sock=ours)
    writer.write(pack(Start(model="paced", path="")))
    floor = Floor(writer)
    server = await asyncio.start_server(floor.serve, "127.0.0.1", 0, backlog=2048)
    host, port = server.sockets[0].getsockname()
    os.write(ready_fd, json.dumps({"address": f"{host}:{port}"}).encode() + b"\n")
    os.close(ready_fd)
    await floor.relay(reader)


if __name__ == "__main__":
    uvloop.run(run(int(sys.argv[sys.argv.index("--ready-fd") + 1])))
