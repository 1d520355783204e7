"""Coding agents on this machine: whether they ask this daemon, and with what it needs. Nothing of theirs is changed."""

from __future__ import annotations

import shlex
import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from omlx_cli.contract import keys
from omlx_cli.contract.errors import OmlxError
from omlx_cli.diagnosis import agent, endpoint, listener
from omlx_cli.diagnosis.agent import AGENTS, Agent, Setting, Shell, Unreadable
from omlx_cli.diagnosis.check import Check, ok, warn
from omlx_cli.diagnosis.endpoint import Endpoint
from omlx_cli.diagnosis.subject import Subject


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


def checks(subject: Subject) -> Iterator[Check]:
    """Yield each agent that is installed, and the variables that clients of any kind go by."""
    here = _here(subject)
    shell = Shell(subject.environ, Path("~").expanduser(), Path.cwd())
    search = subject.environ.get("PATH")
    present = [one for one in AGENTS if shutil.which(one.name, path=search)]
    for one in present:
        yield of_agent(one, shell, here)
    for setting, path in agent.variables(subject.environ):
        yield from _trouble("environment", setting, path, here)
    if not present:
        yield ok("agents", f"none on the PATH of {', '.join(one.name for one in AGENTS)}")


def of_agent(one: Agent, shell: Shell, here: Here) -> Check:
    """Return what to say of an agent that is installed."""
    try:
        setting = next(one.settings(shell), None)
    except Unreadable as error:
        file = str(error).partition(" ")[0]
        return warn(one.name, f"{one.name}: {error}", _edit(file))
    if setting is None:
        return ok(one.name, f"{one.name} asks its own service; {one.variable}={here.url}{one.path} would bring it here")
    trouble = next(_trouble(one.name, setting, one.path, here), None)
    if trouble is not None:
        return trouble
    found = endpoint.parse(setting.url)
    if found is not None and _is_here(found, here):
        return ok(one.name, f"{one.name} asks this daemon, {found} ({setting.place})")
    return ok(one.name, f"{one.name} asks another server, {found} ({setting.place})")


def _trouble(name: str, setting: Setting, path: str, here: Here) -> Iterator[Check]:
    """Yield what keeps a client with this setting from being answered."""
    found = endpoint.parse(setting.url)
    who = f"{name}: " if name != "environment" else ""
    if found is None:
        yield warn(name, f"{who}{setting.place} is no http URL", _mend(setting, here, path))
    elif not _is_here(found, here):
        if found.is_local and listener.find(found.port) is None and _is_free(found):
            text = f"{who}{setting.place} is {found}, where nobody listens; this daemon is at {here.url}"
            yield warn(name, text, _mend(setting, here, path))
    elif found.scheme != "http":
        yield warn(name, f"{who}{setting.place} is {found}, and the daemon speaks http", _mend(setting, here, path))
    elif found.path != path:
        text = f"{who}{setting.place} ends in {found.path or 'no path'}, and should end in {path or 'none'}"
        yield warn(name, text, _mend(setting, here, path))
    elif here.needs_key and not setting.has_key:
        yield warn(name, f"{who}{setting.place} is this daemon, which wants an API key, and none is set", _key(name))
    elif not here.answers:
        yield warn(name, f"{who}{setting.place} is this daemon, which a connection does not start", "omlx start")


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


def _is_free(found: Endpoint) -> bool:
    try:
        return listener.is_free(found.host, found.port)
    except OSError:
        return False


def _mend(setting: Setting, here: Here, path: str) -> str:
    """Return the command that sets the URL right: for this shell, or in the file that says so."""
    _, _, file = setting.place.rpartition(" in ")
    return _edit(file) if "/" in file else f"export {file}={here.url}{path}"


def _edit(file: str) -> str:
    return f'"${{EDITOR:-vi}}" {shlex.quote(file)}'


def _key(name: str) -> str:
    return f"omlx key create {name}"
