"""The whole uninstall of one home: service, daemon, files."""

from __future__ import annotations

import time
from dataclasses import dataclass
from pathlib import Path

from omlx_cli import locks
from omlx_cli.books.place import directory
from omlx_cli.commands.stop import stop_daemon
from omlx_cli.contract.api import Reply
from omlx_cli.contract.errors import Code, OmlxError
from omlx_cli.contract.settings import CacheSettings
from omlx_cli.contract.units import format_bytes
from omlx_cli.env import Env
from omlx_cli.installation import places, removal
from omlx_cli.installation.removal import Part, Plan, Wanted
from omlx_cli.service import Managed, Unavailable
from omlx_cli.table import pairs

_LOCK_S = 10.0


class UninstallReport(Reply, frozen=True, kw_only=True):
    """Answer of `omlx self uninstall --json`."""

    dry_run: bool
    removed: tuple[Part, ...]
    kept: tuple[Part, ...]
    program: str
    """The command that removes the program itself."""


@dataclass(frozen=True, slots=True)
class Uninstall:
    """What will be done. `service` is the manager whose definition goes, or None."""

    env: Env
    wanted: Wanted
    plan: Plan
    cache: Path
    service: Managed | None
    program: str

    @classmethod
    def of(cls, env: Env, wanted: Wanted) -> Uninstall:
        """Look at what is there; nothing is changed. Broken settings leave the cache where it usually is."""
        cache = directory(_cache_settings(env, wanted), env.paths)
        service, definition = _service(env)
        plan = removal.plan(env.paths, cache, wanted)
        going = (*((definition,) if service and definition else ()), *plan.going)
        staying = (*plan.staying, *((definition,) if definition and not service else ()))
        return cls(env, wanted, Plan(going, staying), cache, service, places.uninstaller())

    def text(self, dry_run: bool) -> str:
        """Return what goes and what stays, a line for each part."""
        going = [(part.name, _line(part)) for part in self.plan.going]
        staying = [(part.name, _line(part)) for part in self.plan.staying]
        verb = "would be removed" if dry_run else "will be removed"
        blocks = [f"{verb}:\n{_indented(going)}" if going else f"nothing {verb}"]
        if staying:
            blocks.append(f"stays:\n{_indented(staying)}")
        return "\n".join(blocks)

    def report(self, dry_run: bool) -> UninstallReport:
        """Return the same for programs."""
        return UninstallReport(dry_run=dry_run, removed=self.plan.going, kept=self.plan.staying, program=self.program)

    def run(self) -> None:
        """Stop the daemon, then remove the service and the files. Raises OmlxError; what is gone stays gone."""
        if not self.env.paths.home.is_dir():
            return
        stop_daemon(self.env, timeout="", force=False)
        self._remove_service()
        self.env.lifecycle.create_home()
        try:
            # Nobody may start a daemon in a home that is being taken apart.
            with locks.held(self.env.paths.start_lock, time.monotonic() + _LOCK_S):
                # A daemon that ends writes what it has to keep; that goes too.
                going = removal.plan(self.env.paths, self.cache, self.wanted).going
                removal.carry_out(going, self.env.paths, self.cache)
        except TimeoutError as error:
            raise OmlxError(Code.IN_USE, "another command is starting the daemon", "try again") from error

    def _remove_service(self) -> None:
        if self.service is None:
            return
        try:
            self.service.remove()
        except Unavailable as error:
            raise OmlxError(
                Code.INTERNAL, f"{self.service.describe()} refuses: {error}", "omlx service status  tells more"
            ) from error


_SERVICE = "service"


def _cache_settings(env: Env, wanted: Wanted) -> CacheSettings:
    """Return where the cache is. Raises OmlxError where that cannot be read, and it is to be removed."""
    try:
        return env.settings.cache
    except OmlxError:
        if wanted.cache:
            raise
        return CacheSettings()


def _service(env: Env) -> tuple[Managed | None, Part | None]:
    """Return the manager whose definition of this home is ours, and the definition; nobody's where there is none."""
    found = env.services.manager()
    if found is None or found.home() is None or not env.services.is_served_by(found):
        return None, None
    try:
        report = found.report()
    except (Unavailable, TimeoutError):
        return None, None
    if not report.definition:
        return None, None
    if report.owner != "omlx":
        return None, Part(name=_SERVICE, paths=(report.definition,), option="brew services stop omlx")
    return found, Part(name=_SERVICE, paths=(report.definition,))


def _line(part: Part) -> str:
    size = f" ({format_bytes(part.size_bytes)})" if part.size_bytes else ""
    option = f"  {part.option}  removes it" if part.option else ""
    return f"{_joined(part.paths)}{size}{option}"


def _joined(paths: tuple[str, ...]) -> str:
    """Return paths in one folder as a shell would write them."""
    folders = {str(Path(path).parent) for path in paths}
    if len(paths) == 1 or len(folders) > 1:
        return ", ".join(paths)
    return f"{folders.pop()}/{{{','.join(Path(path).name for path in paths)}}}"


def _indented(rows: list[tuple[str, str]]) -> str:
    return "\n".join(f"  {line}" for line in pairs(rows).splitlines())
