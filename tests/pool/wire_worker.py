"""A small real worker process that speaks the wire without a model; the model's name says how it behaves."""

from __future__ import annotations

import logging
import os
import socket
import sys
import time
from pathlib import Path
from threading import Thread

import msgspec

from omlx_cli.contract.errors import Code, ErrorBody
from omlx_daemon.core.entries import about
from omlx_daemon.core.events import Failed, Finished, FinishReason, Prefill, Queued, Text, Usage
from omlx_daemon.core.requests import GenerationRequest, TextPrompt
from omlx_daemon.wire.frames import pack, receive
from omlx_daemon.wire.messages import Cancel, Command, Events, LoadFailed, LoadProgress, Ready, Start, Stop, Submit
from omlx_daemon.worker.__main__ import log_to_stderr

FINISHED = Finished(reason=FinishReason.STOP, usage=Usage(prompt_tokens=1, completion_tokens=1))


def main() -> None:
    connection = socket.socket(fileno=int(sys.argv[sys.argv.index("--fd") + 1]))
    decoder: msgspec.msgpack.Decoder[Command] = msgspec.msgpack.Decoder(Command)
    start = receive(connection, decoder)
    assert isinstance(start, Start)
    sys.stderr.write("the double is up\n")
    sys.stderr.flush()
    load(start.model, connection)
    while (command := receive(connection, decoder)) is not None:
        match command:
            case Submit():
                answer(start.model, command.request, connection)
            case Cancel():
                error = ErrorBody(code=Code.CANCELLED, message="cancelled")
                say(connection, command.id, Failed(error=error))
            case Stop() if start.model != "stubborn":
                return
            case _:
                pass


def load(model: str, connection: socket.socket) -> None:
    connection.sendall(pack(LoadProgress(step="weights", share=0.5)))
    if model == "hang-load":
        connection.recv(1)  # until the daemon is gone
        sys.exit(0)
    if model == "wedge-load":
        time.sleep(600)
    if model == "crash-load":
        os._exit(7)
    if model == "fail-load":
        connection.sendall(pack(LoadFailed(error=ErrorBody(code=Code.UNSUPPORTED_MODEL, message="no such layers"))))
        sys.exit(1)
    connection.sendall(pack(Ready(weights_bytes=5, backend="cpu")))


def answer(model: str, request: GenerationRequest, connection: socket.socket) -> None:
    prompt = request.prompt.text if isinstance(request.prompt, TextPrompt) else ""
    say(connection, request.id, Queued(prompt_tokens=1), Prefill(done_tokens=1, total_tokens=1))
    if model == "garbage":
        connection.sendall(b"\x05\x00\x00\x00hello")
    elif model == "torn":
        connection.sendall(pack(Events(items=((request.id, Text(text="x" * 100)),)))[:50])
        os._exit(0)
    elif prompt.startswith("until:"):
        say(connection, request.id, Text(text="half "))
        Thread(target=finish_later, args=(connection, request.id, Path(prompt[6:])), daemon=True).start()
    elif prompt == "complain":
        log_to_stderr()
        logging.getLogger("omlx_daemon.worker.double").error("it went wrong\nbadly", extra=about(request.id))
        say(connection, request.id, FINISHED)
    elif prompt != "wait":
        say(connection, request.id, Text(text=prompt[::-1]), FINISHED)


def finish_later(connection: socket.socket, request_id: str, sign: Path) -> None:
    while not sign.exists():
        time.sleep(0.01)
    say(connection, request_id, Text(text="whole"), FINISHED)


def say(connection: socket.socket, request_id: str, *events: Queued | Prefill | Text | Finished | Failed) -> None:
    connection.sendall(pack(Events(items=tuple((request_id, event) for event in events))))


if __name__ == "__main__":
    main()
