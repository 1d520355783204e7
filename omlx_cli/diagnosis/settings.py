"""`config.toml`: whether it can be read, and whether a daemon would start with it."""

from __future__ import annotations

import ipaddress
import shlex
from collections.abc import Iterator

from omlx_cli.contract import keys, settings
from omlx_cli.contract.errors import OmlxError
from omlx_cli.contract.paths import FILE_MODE, Paths
from omlx_cli.diagnosis.check import Check, broken, ok, warn
from omlx_cli.diagnosis.home import mode
from omlx_cli.diagnosis.subject import Subject

_NAME = "settings"


def checks(subject: Subject) -> Iterator[Check]:
    """Yield what is wrong with the settings and the keys beside them, or that they are well."""
    paths = subject.paths
    wrong = [*_problems(paths), *_readable_by_others(paths)]
    read = f"{paths.config} can be read" if paths.config.exists() else "the defaults: there is no config.toml"
    yield from wrong or [ok(_NAME, read)]


def _problems(paths: Paths) -> Iterator[Check]:
    """Yield what would keep the daemon from starting."""
    try:
        server = settings.load(paths.config).server
    except OmlxError as error:
        yield broken(_NAME, error.body.message, f'"${{EDITOR:-vi}}" {shlex.quote(str(paths.config))}')
        return
    try:
        has_keys = keys.exist(paths.keys)
    except OmlxError as error:
        yield broken(
            "keys", error.body.message, f"mv {shlex.quote(str(paths.keys))} {shlex.quote(f'{paths.keys}.old')}"
        )
        return
    if not (has_keys or server.api_key or server.keys or _is_loopback(server.host)):
        found = f"server.host is {server.host}, which others reach, and there is no API key: no daemon starts so"
        yield broken(_NAME, found, "omlx key create first")


def _readable_by_others(paths: Paths) -> Iterator[Check]:
    """Yield the files with keys in them that others can read."""
    try:
        server = settings.load(paths.config).server
        in_settings = bool(server.api_key or server.keys)
    except OmlxError:
        in_settings = False
    for path in (*([paths.config] if in_settings else []), paths.keys):
        if path.exists() and mode(path) & 0o077:
            fix = f"chmod {FILE_MODE:o} {shlex.quote(str(path))}"
            yield warn("access", f"others can read the API keys in {path}", fix)


def _is_loopback(host: str) -> bool:
    try:
        return host == "localhost" or ipaddress.ip_address(host.partition("%")[0]).is_loopback
    except ValueError:
        # A name may stand for anything; the daemon looks it up when it starts.
        return True
