"""An agent's conversation, turn on turn: time to first token and tokens computed again, through every mishap.

    python -m benchmarks.agent MODEL_FOLDER [--turns 15] [--beside FOLDER] [--json]

A system prompt of about 1,200 tokens, about 80 new tokens a turn (an answer of 16 and a tool's result). The daemon is
restarted before turn 8 and killed before turn 11, right after the answer. Then two such conversations take turns.
After each turn of the first, the model alone computes as many tokens on as many cached rows (`benchmarks.floor`): on a
CPU the same tokens cost more the more rows they attend to, whoever serves them. `--beside` replays the first
conversation on `mlx_lm.server` too, without restarts, in the same run. `cpu_s` is what a server's processes computed
up to the first token: on a machine that others use, it tells more than the clock.

Aims: the last turn's first token within 1.2 times the second's; at most 32 tokens computed beyond the new ones.
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
from typing import Any, NamedTuple

import psutil

Turn = dict[str, float]
ANSWER_TOKENS = 16
RESTART_BEFORE, KILL_BEFORE = 8, 11
AIM_TTFT, AIM_TOKENS = 1.2, 32


class Server(NamedTuple):
    """An address, and the process that answers there with the help of its children."""

    address: str
    pid: int

    def cpu_s(self) -> float:
        """Return the seconds that the processes have computed."""
        process = psutil.Process(self.pid)
        times = [each.cpu_times() for each in (process, *process.children(recursive=True))]
        return float(sum(time.user + time.system for time in times))


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
    def server(self) -> Server:
        """Where it listens, and what computes for it."""
        info = self._info()
        return Server(str(info["address"]), int(info["pid"]))

    def _info(self) -> dict[str, Any]:
        found: dict[str, Any] = json.loads((self._home / "run" / "daemon.json").read_text())
        return found


class Conversation:
    """One agent's growing history."""

    def __init__(self, seed: str) -> None:
        rules = " ".join(
            f"Rule {number:02} of {seed}: call tool_{number:02} with a path and a limit." for number in range(56)
        )
        self._messages = [{"role": "system", "content": rules}]
        self._seed = seed
        self._prompt_tokens = 0

    def turn(self, server: Server, model: str, number: int) -> Turn:
        """Ask once more; return the turn's figures."""
        result = " ".join(f"line {number:02}.{line} of {self._seed} is fine" for line in range(5))
        self._messages.append({"role": "user", "content": f"Result of step {number:02}: {result}. Go on."})
        first, text, usage = stream(server, model, self._messages)
        self._messages.append({"role": "assistant", "content": text})
        new = usage["prompt_tokens"] - self._prompt_tokens
        self._prompt_tokens = usage["prompt_tokens"]
        cached = (usage.get("prompt_tokens_details") or {}).get("cached_tokens") or 0
        return {
            "turn": number,
            **first,
            "prompt_tokens": usage["prompt_tokens"],
            "new_tokens": new,
            "recomputed_tokens": usage["prompt_tokens"] - cached,
        }


def stream(server: Server, model: str, messages: list[dict[str, str]]) -> tuple[Turn, str, dict[str, Any]]:
    """Stream one answer; return the seconds and the CPU's seconds to the first text, the text, and the usage."""
    body = {
        "model": model,
        "messages": messages,
        "max_tokens": ANSWER_TOKENS,
        "temperature": 0,
        "stream": True,
        "stream_options": {"include_usage": True},
    }
    connection = http.client.HTTPConnection(server.address, timeout=300)
    usage: dict[str, Any] = {}
    first: Turn = {}
    text, computed_s, started = "", server.cpu_s(), time.perf_counter()
    connection.request("POST", "/v1/chat/completions", json.dumps(body), {"Content-Type": "application/json"})
    for line in connection.getresponse():
        if not line.startswith(b"data: {"):
            continue
        chunk = json.loads(line[6:])
        usage = chunk.get("usage") or usage
        piece = chunk["choices"][0]["delta"].get("content") if chunk.get("choices") else None
        if piece:
            first = first or {"ttft_s": time.perf_counter() - started, "cpu_s": server.cpu_s() - computed_s}
            text += piece
    connection.close()
    return first, text, usage


class Floor:
    """The model alone, in a process of its own."""

    def __init__(self, model: str) -> None:
        job = [sys.executable, "-m", "benchmarks.floor", model]
        self._process = subprocess.Popen(job, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        self._read()

    def turn(self, cached: float, new: float) -> Turn:
        """Return what so many new tokens take on so many cached ones."""
        assert self._process.stdin is not None
        self._process.stdin.write(f"{cached:.0f} {new:.0f}\n")
        self._process.stdin.flush()
        ttft_s, cpu_s = map(float, self._read().split())
        return {"model_ttft_s": ttft_s, "model_cpu_s": cpu_s}

    def close(self) -> None:
        """End the process."""
        self._process.terminate()
        self._process.wait()

    def _read(self) -> str:
        assert self._process.stdout is not None
        return self._process.stdout.readline()


def replay(daemon: Daemon, model: str, turns: int, floor: Floor) -> list[Turn]:
    """Replay one conversation with a restart and a crash in it; a model's load is not part of a turn."""
    conversation, rows = Conversation("alpha"), []
    for number in range(1, turns + 1):
        if number == RESTART_BEFORE:
            daemon.omlx("restart")
        if number == KILL_BEFORE:
            daemon.kill()
        if number in (1, RESTART_BEFORE, KILL_BEFORE):
            daemon.omlx("load", model)
        row = conversation.turn(daemon.server, model, number)
        cached = row["prompt_tokens"] - row["recomputed_tokens"]
        rows.append(row | (floor.turn(cached, row["recomputed_tokens"]) if cached else {}))
    return rows


def alternate(daemon: Daemon, model: str, turns: int) -> list[Turn]:
    """Replay two conversations that take turns; return the rows of the second."""
    pair, rows = (Conversation("beta"), Conversation("gamma")), []
    for number in range(1, turns + 1):
        pair[0].turn(daemon.server, model, number)
        rows.append(pair[1].turn(daemon.server, model, number))
    return rows


@contextmanager
def mlx_lm_server(model: str) -> Iterator[Server]:
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
        yield Server(f"127.0.0.1:{port}", server.pid)
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
    figures = measure(options)
    if options.json:
        print(json.dumps({**figures, "aims": {name: against_aims(rows) for name, rows in figures.items()}}))
        return
    for name, rows in figures.items():
        print(name)
        for row in rows:
            print("  ".join(f"{key} {value:{'8.3f' if key.endswith('_s') else '5.0f'}}" for key, value in row.items()))
    for name, rows in figures.items():
        print(f"{name}: {told(against_aims(rows))}")


def measure(options: argparse.Namespace) -> dict[str, list[Turn]]:
    """Replay everything; return the turns by what they ran on."""
    floor = Floor(options.model)
    with tempfile.TemporaryDirectory() as folder:
        daemon = Daemon(Path(folder, "home"))
        try:
            figures = {"replay": replay(daemon, options.model, options.turns, floor)}
            floor.close()
            figures["alternating"] = alternate(daemon, options.model, options.turns)
        finally:
            floor.close()
            daemon.omlx("stop")
    if options.beside:
        with mlx_lm_server(options.beside) as server:
            conversation = Conversation("alpha")
            turns = range(1, options.turns + 1)
            figures["mlx_lm.server"] = [conversation.turn(server, options.beside, number) for number in turns]
    return figures


def against_aims(rows: list[Turn]) -> dict[str, float]:
    """Return the last turn's times against the second's, and the most tokens that a turn computed beyond its new."""
    second, last = rows[1], rows[-1]
    times = [name for name in ("ttft_s", "cpu_s", "model_ttft_s", "model_cpu_s") if name in last]
    beyond = max(row["recomputed_tokens"] - row["new_tokens"] for row in rows[1:])
    return {name: last[name] / second[name] for name in times} | {"tokens_beyond_new": beyond}


def told(found: dict[str, float]) -> str:
    """Return the figures beside their aims, for people."""
    text = (
        f"first token of the last turn {found['ttft_s']:.2f} times the second's (aim {AIM_TTFT}), "
        f"by CPU time {found['cpu_s']:.2f}"
    )
    if "model_cpu_s" in found:
        text += f"; the model alone {found['model_ttft_s']:.2f}, by CPU time {found['model_cpu_s']:.2f}"
    return f"{text}; tokens computed beyond the new at most {found['tokens_beyond_new']:.0f} (aim {AIM_TOKENS})"


if __name__ == "__main__":
    main()
