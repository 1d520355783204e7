"""A worker without a model: gives each of its requests one token a step, as an engine of any speed would.

    python -m benchmarks.paced_worker --fd N

Speaks the wire as the real worker does. A request's `client` says `STREAMS STEP_S`: the steps begin when so many
requests are there, and one begins every so many seconds; 0 is as fast as the socket takes them. A third number is how
many words a token has, instead of one.
"""

from __future__ import annotations

import socket
import sys
import time
from dataclasses import dataclass
from queue import SimpleQueue
from threading import Thread

import msgspec

from omlx_cli.contract.errors import Code, ErrorBody
from omlx_daemon.core.events import Event, Failed, Finished, FinishReason, Prefill, Queued, Text, Usage
from omlx_daemon.core.requests import GenerationRequest
from omlx_daemon.wire.frames import pack, receive
from omlx_daemon.wire.messages import Cancel, Command, Events, LoadProgress, Ready, Start, Stop, Submit

PROMPT_TOKENS = 8
PIECE = " word"
BEGUN: tuple[Event, ...] = (
    Queued(prompt_tokens=PROMPT_TOKENS), Prefill(done_tokens=PROMPT_TOKENS, total_tokens=PROMPT_TOKENS)
)  # fmt: skip
CANCELLED = Failed(error=ErrorBody(code=Code.CANCELLED, message="the request was cancelled"))


@dataclass(slots=True)
class Row:
    """One running request."""

    id: str
    tokens: int
    left: int
    text: str


class Stepper:
    """Owns the rows and the writing side of the socket."""

    def __init__(self, connection: socket.socket) -> None:
        self.requests: SimpleQueue[GenerationRequest | str] = SimpleQueue()
        """Requests to run, and the ids of those to stop."""
        self._connection = connection
        self._rows: dict[str, Row] = {}

    def work(self) -> None:
        """Take and step for ever."""
        while True:
            streams, step_s = self._take(self.requests.get())
            while len(self._rows) < streams:
                self._take(self.requests.get())
            self._step_all(step_s)

    def _step_all(self, step_s: float) -> None:
        due_s = time.perf_counter()
        while self._rows:
            while not self.requests.empty():
                self._take(self.requests.get())
            time.sleep(max(0.0, due_s - time.perf_counter()))
            due_s = max(due_s, time.perf_counter() - step_s) + step_s
            self._say(tuple(item for row in self._rows.values() for item in self._token(row)))
            self._rows = {row.id: row for row in self._rows.values() if row.left}

    def _take(self, request: GenerationRequest | str) -> tuple[int, float]:
        if isinstance(request, str):
            if self._rows.pop(request, None):
                self._say(((request, CANCELLED),))
            return 0, 0.0
        tokens = request.sampling.max_tokens or 1
        streams, step_s, *words = request.client.split()
        self._rows[request.id] = Row(request.id, tokens, tokens, PIECE * int(*words or "1"))
        self._say(tuple((request.id, event) for event in BEGUN))
        return int(streams), float(step_s)

    def _token(self, row: Row) -> tuple[tuple[str, Event], ...]:
        row.left -= 1
        text = Text(text=row.text, token_ids=(1000 + row.left,))
        if row.left:
            return ((row.id, text),)
        usage = Usage(prompt_tokens=PROMPT_TOKENS, completion_tokens=row.tokens)
        return (row.id, text), (row.id, Finished(reason=FinishReason.LENGTH, usage=usage))

    def _say(self, items: tuple[tuple[str, Event], ...]) -> None:
        if items:
            self._connection.sendall(pack(Events(items=items)))


def main() -> None:
    """Serve the daemon until it is gone."""
    connection = socket.socket(fileno=int(sys.argv[sys.argv.index("--fd") + 1]))
    decoder: msgspec.msgpack.Decoder[Command] = msgspec.msgpack.Decoder(Command)
    stepper = Stepper(connection)
    while (command := receive(connection, decoder)) is not None:
        match command:
            case Start():
                connection.sendall(pack(LoadProgress(share=1.0)) + pack(Ready(weights_bytes=1, backend="cpu")))
                Thread(target=stepper.work, daemon=True).start()
            case Submit(request=request):
                stepper.requests.put(request)
            case Cancel(id=request_id):
                stepper.requests.put(request_id)
            case Stop():
                return
            case _:
                pass


if __name__ == "__main__":
    main()
