"""Coding agents on this machine: whether they ask this daemon, and with what it needs. Nothing of theirs is changed."""

from __future__ import annotations

import shlex
import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from omlx_cli import agents
from omlx_cli.agents import AGENTS
from omlx_cli.agents.agent import Place, Target
from omlx_cli.contract import keys
from omlx_cli.contract.errors import OmlxError
from omlx_cli.diagnosis import agent_settings, endpoint, listener, prompt_rules
from omlx_cli.diagnosis.agent_settings import READERS, Setting, Shell, Unreadable
from omlx_cli.diagnosis.check import Check, Verdict, ok, warn
from omlx_cli.diagnosis.endpoint import Endpoint
from omlx_cli.diagnosis.subject import SERVICE_S, Subject

WAITS_S = SERVICE_S
_ANY = "environment"
"""The name of checks of variables that clients of any kind go by."""


@dataclass(frozen=True, slots=True)
class Here:
    """This daemon as clients reach it: `port` 0 where it is not known; `answers` where a connection is answered."""

    host: str
    port: int
    answers: bool
    needs_key: bool

    @property
    def url(self) -> str:
        """Its address without a path."""
        return f"http://{f'[{self.host}]' if ':' in self.host else self.host}:{self.port}"

    @property
    def whereabouts(self) -> str:
        """Where it is, in words."""
        return f"this daemon is at {self.url}" if self.port else "this daemon has no port until it runs"


def checks(subject: Subject) -> Iterator[Check]:
    """Yield each agent that is installed, the variables that clients of any kind go by, and the prompt rules."""
    here = _here(subject)
    shell = Shell(subject.environ, Path("~").expanduser(), Path.cwd())
    search = subject.environ.get("PATH")
    present = [name for name in AGENTS if shutil.which(name, path=search)]
    found = [of_agent(name, shell, here) for name in present]
    yield from found
    told = " ".join(check.found for check in found if check.verdict is not Verdict.OK)
    for setting, path in agent_settings.variables(subject.environ):
        if setting.variable not in told:
            yield from _trouble(_ANY, setting, path, here, shell)
    if not present:
        yield ok("agents", f"none on the PATH of {', '.join(AGENTS)}")
    yield prompt_rules.check(subject)


def of_agent(name: str, shell: Shell, here: Here) -> Check:
    """Return what to say of an agent that is installed."""
    reader = READERS[name]
    try:
        setting = next(reader.settings(shell), None)
    except Unreadable as error:
        return warn(name, f"{name}: {error}", _edit(error.place))
    if setting is None:
        return ok(name, f"{name} asks its own service; omlx launch {name} runs it on this daemon")
    trouble = next(_trouble(name, setting, reader.path, here, shell), None)
    if trouble is not None:
        return trouble
    found = endpoint.parse(setting.url)
    if found is not None and _is_here(found, here):
        return ok(name, f"{name} asks this daemon, {found} ({setting.place})")
    return ok(name, f"{name} asks another server, {found} ({setting.place})")


def _trouble(name: str, setting: Setting, path: str, here: Here, shell: Shell) -> Iterator[Check]:
    """Yield what keeps a client with this setting from being answered."""
    found, fix = endpoint.parse(setting.url), _mend(name, setting, path, here, shell)
    what = setting.place if name == _ANY else f"{name}: the URL in {setting.place}"
    if found is None:
        yield warn(name, f"{what} is no http URL", fix)
    elif not _is_here(found, here):
        if found.is_local and _is_silent(found):
            yield warn(name, f"{what} is {found}, where nobody listens; {here.whereabouts}", fix)
    elif found.scheme != "http":
        yield warn(name, f"{what} is {found}, and the daemon speaks http", fix)
    elif found.path != path:
        yield warn(name, f"{what} ends in {found.path or 'no path'}, and should end in {path or 'none'}", fix)
    elif here.needs_key and not setting.has_key:
        yield warn(name, f"{what} is this daemon, which wants an API key, and none is set", _key(name))
    elif not here.answers:
        yield warn(name, f"{what} is this daemon, which a connection does not start", "omlx start")


def _here(subject: Subject) -> Here:
    server, held = subject.settings.server, subject.service.listens
    address = subject.status.daemon.address if subject.status else held
    host, _, port = address.rpartition(":")
    return Here(
        host=host.strip("[]") if address else server.host,
        port=int(port) if port.isdecimal() else server.port,
        answers=bool(address) or subject.silence is not None,
        needs_key=bool(server.api_key or server.keys or _has_keys(subject)),
    )


def _has_keys(subject: Subject) -> bool:
    try:
        return keys.exist(subject.paths.keys)
    except OmlxError:
        return False


def _is_here(found: Endpoint, here: Here) -> bool:
    return found.port == here.port and (found.is_local or found.host == here.host)


def _is_silent(found: Endpoint) -> bool:
    """Tell whether nobody listens there. Nobody is connected to: that could start one."""
    try:
        return listener.find(found.port) is None and listener.is_free(found.host, found.port)
    except OSError:
        return False


def _mend(name: str, setting: Setting, path: str, here: Here, shell: Shell) -> str:
    """Return the command that sets the URL right where it stands: in the shell, in the agent's settings, elsewhere."""
    if name == _ANY:
        return f"export {setting.variable}={here.url}{path}" if here.port else "omlx start"
    if not setting.file:
        return f'eval "$(omlx env {name})"'
    written = agents.named(name).configuration(Target(here.url, ""), Place(shell.home, shell.environ)).path
    return f"omlx launch {name} --write-config" if Path(setting.file) == written else _edit(setting.file)


def _edit(place: str) -> str:
    return f'"${{EDITOR:-vi}}" {shlex.quote(place)}' if "/" in place else f"unset {place}"


def _key(name: str) -> str:
    """Return the command that gives a client a key of its own."""
    if name == _ANY:
        return "export OPENAI_API_KEY=$(omlx key create -q client)"
    return f"export OMLX_API_KEY=$(omlx key create -q {name}) && omlx launch {name} --write-config"
