"""What the commands do with an agent: run it, tell its environment, write its settings."""

from __future__ import annotations

import os
import shutil
import sys
from pathlib import Path

import msgspec

from omlx_cli import agents
from omlx_cli.agents import shell, target
from omlx_cli.agents.agent import Agent, Launch, Place
from omlx_cli.agents.shell import Shell
from omlx_cli.contract.api import Done
from omlx_cli.contract.errors import Code, OmlxError
from omlx_cli.env import Env


class Told(msgspec.Struct, frozen=True, kw_only=True):
    """`omlx env --json`."""

    schema_version: int = 1
    program: str
    environment: dict[str, str]
    unset: tuple[str, ...] = ()
    arguments: tuple[str, ...] = ()


def tell(env: Env, name: str, model: str, syntax: Shell) -> None:
    """Print what the agent would get. Raises OmlxError."""
    agent = agents.named(name)
    launch = agent.launch(target.find(env, model))
    if env.output.as_json:
        environment = dict(launch.environment)
        told = Told(program=agent.program, environment=environment, unset=launch.cleared, arguments=launch.arguments)
        env.output.document(told)
        return
    env.output.line("\n".join(shell.lines(agent.program, launch, syntax)))


def write(env: Env, name: str, model: str) -> None:
    """Write the agent's settings. Raises OmlxError."""
    from omlx_cli.agents.writing import write as put

    place = Place(Path.home(), os.environ)
    configuration = agents.named(name).configuration(target.find(env, model), place)
    written = put(configuration)
    if written is None:
        message = f"{configuration.path} says so already"
    else:
        path, copy = written
        message = f"written: {path}" + (f"; what was there: {copy}" if copy else "")
    if env.output.as_json:
        env.output.document(Done(message=message))
    else:
        env.output.line(message)


def run(env: Env, name: str, model: str, arguments: tuple[str, ...]) -> None:
    """Become the agent's program; returns never. Raises OmlxError."""
    agent = agents.named(name)
    program = _program(agent, name)
    launch = agent.launch(target.find(env, model))
    words = [agent.program, *launch.arguments, *arguments]
    environment = environment_of(launch, dict(os.environ))
    sys.stdout.flush()
    sys.stderr.flush()
    try:
        os.execve(program, words, environment)  # noqa: S606 - no shell stands between
    except OSError as error:
        message = f"cannot run {program}: {error.strerror or error}"
        raise OmlxError(Code.UNSUPPORTED, message, agent.install) from error


def environment_of(launch: Launch, environ: dict[str, str]) -> dict[str, str]:
    """Return `environ` as the agent sees it."""
    kept = {name: value for name, value in environ.items() if name not in launch.cleared}
    return kept | dict(launch.environment)


def _program(agent: Agent, name: str) -> str:
    program = shutil.which(agent.program)
    if program is None:
        message = f"{agents.AGENTS[name]} is not installed: there is no {agent.program!r} on the PATH"
        raise OmlxError(Code.NOT_FOUND, message, agent.install)
    return program
