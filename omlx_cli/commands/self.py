"""`omlx self`: the installation itself."""

from __future__ import annotations

import os
import sys
from typing import TYPE_CHECKING

import click

from omlx_cli.env import Env
from omlx_cli.options import common

if TYPE_CHECKING:
    from omlx_cli.installation.uninstall import Uninstall


@click.group("self")
def command() -> None:
    """Show where this installation is, put it on the PATH, remove it.

    \b
    Examples:
      omlx self path
      omlx self install-shim
      omlx self uninstall --dry-run
    """


@command.command("install-shim")
@common
def install_shim(env: Env) -> None:
    """Write ~/.omlx/bin/omlx, which runs this installation; for those that no package manager put on the PATH.

    \b
    Examples:
      omlx self install-shim
      export PATH="$HOME/.omlx/bin:$PATH"
    """
    import shutil

    from omlx_cli.contract.api import Done
    from omlx_cli.installation import shim

    path = env.paths.shim
    env.lifecycle.create_home()
    shim.install(path)
    if env.output.as_json:
        env.output.document(Done(message=str(path)))
    else:
        env.output.line(str(path))
    first = shutil.which("omlx")
    if str(path.parent) not in os.environ.get("PATH", "").split(os.pathsep):
        env.output.note(f'to have it found, write into your shell\'s start-up file: export PATH="{path.parent}:$PATH"')
    elif first != str(path):
        env.output.warn(f"the PATH finds {first} first")


@command.command("path")
@common
def path(env: Env) -> None:
    """Show where the program, its home, models, cache and logs are; nothing is started."""
    from omlx_cli.installation import places
    from omlx_cli.table import pairs

    found = places.find(env.paths, env.settings.cache)
    if env.output.as_json:
        env.output.document(found)
        return
    names = [name for name in found.__struct_fields__ if name != "schema_version"]
    env.output.line(pairs([(name, getattr(found, name)) for name in names]))


@command.command("uninstall")
@click.option("--models", is_flag=True, help="Remove the models too that omlx imported; the hub's cache stays.")
@click.option("--cache", is_flag=True, help="Remove the KV cache too.")
@click.option("--config", is_flag=True, help="Remove the settings and API keys too.")
@click.option("--all", "everything", is_flag=True, help="Remove all three.")
@click.option("--dry-run", is_flag=True, help="Only say what would be removed.")
@click.option("-y", "--yes", is_flag=True, help="Do not ask.")
@common
def uninstall(env: Env, models: bool, cache: bool, config: bool, everything: bool, dry_run: bool, yes: bool) -> None:
    """Stop the daemon and remove its service, the shim, logs and state; models, cache and settings stay.

    What goes is listed before anything is touched. Asks first on a terminal; needs --yes elsewhere. The program
    itself is left to whoever installed it: the last line says how.

    \b
    Examples:
      omlx self uninstall --dry-run
      omlx self uninstall
      omlx self uninstall --all --yes
    """
    from omlx_cli.installation.removal import Wanted
    from omlx_cli.installation.uninstall import Uninstall

    wanted = Wanted(models=models or everything, cache=cache or everything, config=config or everything)
    job = Uninstall.of(env, wanted)
    if not env.output.as_json:
        env.output.line(job.text(dry_run))
    if not dry_run:
        if not yes:
            _ask()
        job.run()
    _tell(env, job, dry_run)


def _ask() -> None:
    """Return if the user agrees. Raises OmlxError(CONFIRMATION_REQUIRED)."""
    from omlx_cli.contract.errors import Code, OmlxError

    can_ask = sys.stdin.isatty() and sys.stderr.isatty()
    if not can_ask or not click.confirm("Remove this?", err=True):
        raise OmlxError(Code.CONFIRMATION_REQUIRED, "nothing was removed", "omlx self uninstall --yes  does not ask")


def _tell(env: Env, job: Uninstall, dry_run: bool) -> None:
    if env.output.as_json:
        env.output.document(job.report(dry_run))
    elif not dry_run:
        env.output.line(f"removed; the program itself goes with: {job.program}")
