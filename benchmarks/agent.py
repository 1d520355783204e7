"""An agent's conversation, turn on turn: time to first token and tokens computed again, through every mishap.

    python -m benchmarks.agent MODEL_FOLDER [--turns 15] [--beside FOLDER] [--json]

A system prompt of about 1,200 tokens, about 80 new tokens a turn (an answer of 16 and a tool's result). The daemon is
restarted before turn 8 and killed before turn 11. Then two such conversations take turns. `--beside` replays the first
conversation on `mlx_lm.server` too, without restarts, in the same run.
"""

from __future__ import annotations

import argparse
import http.client
import json
import os
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

Turn = dict[str, float]
ANSWER_TOKENS = 16
RESTART_BEFORE, KILL_BEFORE = 8, 11


class Daemon:
    """A daemon in a home of its own, through the command line as a person has it."""

    def __init__(self, home: Path) -> None:
        home.mkdir(mode=0o700)
        (home / "config.toml").write_text("[server]\nport = 0\n")
        self._home = home
        self._environment = {**os.environ, "OMLX_HOME": str(home)}

    def omlx(self, *words: str) -> None:
        """Run one command to its end."""
        command = [sys.executable, "-I", "-m", "omlx_cli", *words]
        subprocess.run(command, env=self._environment, check=True, stdout=subprocess.DEVNULL)

    def kill(self) -> None:
        """Kill the daemon as a crash would; its workers end with it."""
        os.kill(self._info()["pid"], signal.SIGKILL)

    @property
    def address(self) -> str:
        """Where it listens."""
        return str(self._info()["address"])

    def _info(self) -> dict[str, Any]:
        found: dict[str, Any] = json.loads((self._home / "run" / "daemon.json").read_text())
        return found


class Conversation:
    """One agent's growing history."""

    def __init__(self, seed: str) -> None:
        rules = " ".join(
            f"Rule {number} of {seed}: call tool_{number} with a path and a limit." for number in range(64)
        )
        self._messages = [{"role": "system", "content": rules}]
        self._seed = seed
        self._prompt_tokens = 0

    def turn(self, address: str, model: str, number: int) -> Turn:
        """Ask once more; return the turn's figures."""
        result = " ".join(f"line {number}.{line} of {self._seed} is fine" for line in range(6))
        self._messages.append({"role": "user", "content": f"Result of step {number}: {result}. Go on."})
        ttft_s, text, usage = stream(address, model, self._messages)
        self._messages.append({"role": "assistant", "content": text})
        new = usage["prompt_tokens"] - self._prompt_tokens
        self._prompt_tokens = usage["prompt_tokens"]
        cached = (usage.get("prompt_tokens_details") or {}).get("cached_tokens") or 0
        return {
            "turn": number,
            "ttft_s": ttft_s,
            "prompt_tokens": usage["prompt_tokens"],
            "new_tokens": new,
            "recomputed_tokens": usage["prompt_tokens"] - cached,
        }


def stream(address: str, model: str, messages: list[dict[str, str]]) -> tuple[float, str, dict[str, Any]]:
    """Stream one answer; return seconds to the first text, the text, and the usage."""
    body = {
        "model": model,
        "messages": messages,
        "max_tokens": ANSWER_TOKENS,
        "temperature": 0,
        "stream": True,
        "stream_options": {"include_usage": True},
    }
    connection = http.client.HTTPConnection(address, timeout=300)
    usage: dict[str, Any] = {}
    started, first, text = time.perf_counter(), 0.0, ""
    connection.request("POST", "/v1/chat/completions", json.dumps(body), {"Content-Type": "application/json"})
    for line in connection.getresponse():
        if not line.startswith(b"data: {"):
            continue
        chunk = json.loads(line[6:])
        usage = chunk.get("usage") or usage
        piece = chunk["choices"][0]["delta"].get("content") if chunk.get("choices") else None
        if piece:
            first = first or time.perf_counter() - started
            text += piece
    connection.close()
    return first, text, usage


def replay(daemon: Daemon, model: str, turns: int) -> list[Turn]:
    """Replay one conversation with a restart and a crash in it; a model's load is not part of a turn."""
    conversation, rows = Conversation("alpha"), []
    for number in range(1, turns + 1):
        if number == RESTART_BEFORE:
            daemon.omlx("restart")
        if number == KILL_BEFORE:
            daemon.kill()
        if number in (1, RESTART_BEFORE, KILL_BEFORE):
            daemon.omlx("load", model)
        rows.append(conversation.turn(daemon.address, model, number))
    return rows


def alternate(daemon: Daemon, model: str, turns: int) -> list[Turn]:
    """Replay two conversations that take turns; return the rows of the second."""
    pair, rows = (Conversation("beta"), Conversation("gamma")), []
    for number in range(1, turns + 1):
        pair[0].turn(daemon.address, model, number)
        rows.append(pair[1].turn(daemon.address, model, number))
    return rows


@contextmanager
def mlx_lm_server(model: str) -> Iterator[str]:
    """Run `mlx_lm.server` on a free port, with the same BLAS."""
    import socket

    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    code = (
        "import ctypes,runpy,sys\n"
        "try: ctypes.CDLL('libopenblas.so.0', mode=ctypes.RTLD_GLOBAL)\n"
        "except OSError: pass\n"
        "sys.argv = ['server', '--model', sys.argv[1], '--port', sys.argv[2]]\n"
        "runpy.run_module('mlx_lm.server', run_name='__main__')\n"
    )
    server = subprocess.Popen([sys.executable, "-c", code, model, str(port)], stderr=subprocess.DEVNULL)
    try:
        _wait(lambda: _answers(f"127.0.0.1:{port}"))
        yield f"127.0.0.1:{port}"
    finally:
        server.terminate()
        server.wait()


def _answers(address: str) -> bool:
    with suppress(OSError, http.client.HTTPException):
        connection = http.client.HTTPConnection(address, timeout=5)
        connection.request("GET", "/health")
        return connection.getresponse().status == 200
    return False


def _wait(condition: Callable[[], bool]) -> None:
    end = time.monotonic() + 120
    while not condition():
        if time.monotonic() > end:
            raise SystemExit("mlx_lm.server does not answer")
        time.sleep(0.2)


def main() -> None:
    """Parse, replay, print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("model", type=lambda text: str(Path(text).resolve()))
    parser.add_argument("--turns", type=int, default=15)
    parser.add_argument("--beside", metavar="FOLDER", help="float32 model folder for mlx_lm.server")
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        daemon = Daemon(Path(folder, "home"))
        try:
            figures = {"replay": replay(daemon, options.model, options.turns)}
            figures["alternating"] = alternate(daemon, options.model, options.turns)
        finally:
            daemon.omlx("stop")
    if options.beside:
        with mlx_lm_server(options.beside) as address:
            conversation = Conversation("alpha")
            turns = range(1, options.turns + 1)
            figures["mlx_lm.server"] = [conversation.turn(address, options.beside, number) for number in turns]
    if options.json:
        print(json.dumps(figures))
        return
    for name, rows in figures.items():
        print(name)
        for row in rows:
            print(
                "  ".join(
                    f"{key} {value:8.3f}" if key == "ttft_s" else f"{key} {value:5.0f}" for key, value in row.items()
                )
            )


if __name__ == "__main__":
    main()
