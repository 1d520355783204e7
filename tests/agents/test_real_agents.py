"""Coding agents themselves, each in an empty home, on the daemon's real routes: one call of a tool, then the answer.

They come from npm; docs/agents.md says what was seen. The model is played, since no small model calls tools; everything
between it and the agent's terminal is real.
"""

from __future__ import annotations

import json
import os
import subprocess
import tempfile
from collections.abc import AsyncIterator, Callable, Iterator
from pathlib import Path

import pytest

from omlx_cli import agents
from omlx_cli.agents.agent import Target
from omlx_cli.agents.launching import environment_of
from omlx_daemon.core.events import Event, Finished, FinishReason, Queued, Reasoning, Text, ToolCall, Usage
from omlx_daemon.core.requests import ChatPrompt, GenerationRequest
from tests.api.serving import Served, serving

SHELLS = {"codex": ("exec_command", "cmd"), "opencode": ("bash", "command"), "qwen": ("run_shell_command", "command")}
"""Each agent's tool that runs a command, and what it calls the command."""
WORDS = {
    "codex": ("exec", "--skip-git-repo-check", "--sandbox", "danger-full-access"),
    "opencode": ("run",),
    "qwen": ("--yolo", "-p"),
}
ANSWER = "The file says forty-two."
SECRET = "forty-two"


class OneCall:
    """Thinks, asks for one command, and answers once its output is there."""

    def __init__(self, name: str) -> None:
        self.prompts: list[ChatPrompt] = []
        self._tool, self._field = SHELLS[name]

    async def generate(self, request: GenerationRequest) -> AsyncIterator[Event]:
        prompt = request.prompt
        assert isinstance(prompt, ChatPrompt)
        self.prompts.append(prompt)
        yield Queued(prompt_tokens=100)
        offered = {str(tool["function"]["name"]) for tool in prompt.tools}  # type: ignore[index]
        if self._tool in offered and not any(message.role == "tool" for message in prompt.messages):
            arguments = {self._field: "cat found.txt", "description": "Reads the file", "is_background": False}
            yield Reasoning(text="I have to look.")
            yield ToolCall(id="call_1", name=self._tool, arguments=json.dumps(arguments))
            yield Finished(reason=FinishReason.TOOL_CALLS, usage=Usage(prompt_tokens=100, completion_tokens=9))
        else:
            yield Text(text=ANSWER)
            yield Finished(reason=FinishReason.STOP, usage=Usage(prompt_tokens=100, completion_tokens=9))


@pytest.fixture
def socket_folder() -> Iterator[Path]:
    with tempfile.TemporaryDirectory(prefix="omlx-agents-") as folder:
        yield Path(folder)


def ran(name: str, program: Path, served: Served, folder: Path) -> subprocess.CompletedProcess[str]:
    """Run an agent to its end in an empty home, with nothing of this machine's environment but the PATH."""
    user, work = folder / "user", folder / "work"
    user.mkdir()
    work.mkdir()
    (work / "found.txt").write_text(f"{SECRET}\n")
    launch = agents.named(name).launch(Target(base_url=served.url, model="sky", context_tokens=65536))
    environ = environment_of(launch, {"PATH": os.environ["PATH"], "HOME": str(user), "TERM": "dumb", "NO_COLOR": "1"})
    return subprocess.run(
        [program, *launch.arguments, *WORDS[name], "What does found.txt say?"],
        cwd=work, env=environ, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=100, check=False,
    )  # fmt: skip


@pytest.mark.timeout(600)
@pytest.mark.parametrize("name", SHELLS)
def test_an_agent_calls_a_tool_and_tells_the_answer(
    name: str, program_of: Callable[[str], Path], socket_folder: Path, tmp_path: Path
) -> None:
    program, model = program_of(name), OneCall(name)
    with serving(socket_folder / "s", inference=model) as served:
        done = ran(name, program, served, tmp_path)
    assert done.returncode == 0, done.stdout + done.stderr
    assert ANSWER in done.stdout
    results = [message for message in model.prompts[-1].messages if message.role == "tool"]
    assert [result.tool_call_id for result in results] == ["call_1"]
    assert SECRET in results[0].content
    asked = next(message for message in model.prompts[-1].messages if message.tool_calls)
    assert asked.tool_calls[0]["id"] == "call_1"
