"""What both stand-ins share: one server a state folder, which ends with its standard input and takes all with it."""

from __future__ import annotations

import asyncio
import json
import os
import sys
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any


class Reply(Exception):
    """The end of a verb, with exit code and words."""

    def __init__(self, code: int, out: str = "", err: str = "") -> None:
        super().__init__(err)
        self.code, self.out, self.err = code, out, err


class Folder:
    """The state folder: what is remembered, what is wished for, what was asked."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def read(self, name: str) -> dict[str, Any]:
        """Return a JSON document, empty where there is none."""
        try:
            found: dict[str, Any] = json.loads((self.path / name).read_text())
            return found
        except FileNotFoundError:
            return {}

    def write(self, name: str, value: object) -> None:
        """Replace a JSON document."""
        temporary = self.path / f".{name}"
        temporary.write_text(json.dumps(value))
        temporary.replace(self.path / name)

    def note(self, **record: object) -> None:
        """Append to the journal."""
        with (self.path / "journal.jsonl").open("a") as journal:
            journal.write(json.dumps(record) + "\n")

    def failure(self, verb: str) -> int:
        """Return the exit code with which the next call of `verb` shall fail, once; 0 for none."""
        knobs = self.read("knobs.json")
        planned = knobs.get("fail_next", [])
        for index, (name, code) in enumerate(planned):
            if name == verb:
                del planned[index]
                self.write("knobs.json", knobs)
                return int(code)
        return 0


async def serve(folder: Folder, answer: Callable[[list[str]], Awaitable[Reply]], end: Callable[[], None]) -> None:
    """Answer until standard input closes, then call `end`."""

    async def handle(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        words: list[str] = json.loads(await reader.readline())
        reply = await answer(words)
        folder.note(words=words, code=reply.code, err=reply.err)
        writer.write(json.dumps([reply.code, reply.out, reply.err]).encode())
        writer.close()

    os.chdir(folder.path)
    server = await asyncio.start_unix_server(handle, "server.sock")
    closed = asyncio.Event()
    asyncio.get_running_loop().add_reader(sys.stdin.fileno(), closed.set)
    sys.stdout.write("up\n")
    sys.stdout.flush()
    try:
        await closed.wait()
    finally:
        server.close()
        end()
