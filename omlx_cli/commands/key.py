"""`omlx key`: API keys of one's own for each client."""

from __future__ import annotations

from typing import TYPE_CHECKING, cast

import click

from omlx_cli.env import Env
from omlx_cli.options import common

if TYPE_CHECKING:
    from omlx_cli.contract.keys import Class, KeyInfo, Scope

_HEADERS = ("NAME", "SCOPE", "PRIORITY", "CACHE", "ENDS IN", "CREATED")


@click.group("key")
def command() -> None:
    """Hand out and withdraw API keys, one for each client.

    Only a key's digest is kept, in keys.json of the omlx home. Once there is a key, every request over TCP needs
    one; the omlx command itself goes through the unix socket and needs none.

    \b
    Examples:
      omlx key create laptop
      omlx key create nightly --priority batch
      omlx key ls
      omlx key rm laptop
    """


@command.command("create")
@click.argument("name")
@click.option(
    "--scope",
    type=click.Choice(["inference", "control"]),
    default="inference",
    show_default=True,
    help="Ask for answers, or act on the daemon besides (load, unload, prune, stop).",
)
@click.option(
    "--priority",
    type=click.Choice(["interactive", "normal", "batch"]),
    default="normal",
    show_default=True,
    help="Class of its requests that name none.",
)
@click.option(
    "--share-cache", is_flag=True, help="Use the cached prefixes of everybody who has no key, and let them use its."
)
@common
def create(env: Env, name: str, scope: str, priority: str, share_cache: bool) -> None:
    """Make a key and print it, once: nothing can tell it again.

    Its cached prefixes are its own: by how fast an answer begins, no other key learns what it asked.

    \b
    Examples:
      omlx key create laptop
      export OPENAI_API_KEY=$(omlx key create -q agent)
    """
    from omlx_cli import keys
    from omlx_cli.contract.keys import NewKey

    server = env.settings.server
    was_open = not (_known(env) or server.api_key or server.keys)
    secret, record = keys.create(env.paths.keys, name, cast("Scope", scope), cast("Class", priority), share_cache)
    if env.output.as_json:
        env.output.document(NewKey(key=secret, info=_info(record)))
        return
    env.output.line(secret)
    env.output.note("this is the only time it is shown; send it as Authorization: Bearer KEY or as x-api-key")
    if was_open:
        env.output.note("from now on every request over TCP needs a key")


@command.command("ls")
@common
def ls(env: Env) -> None:
    """List the keys: their names and what they may do, never the keys.

    \b
    Examples:
      omlx key ls --json
    """
    from omlx_cli.contract.keys import KeyList
    from omlx_cli.table import age, columns

    found = _known(env)
    if env.output.as_json:
        env.output.document(KeyList(keys=found))
        return
    rows = [
        (key.name, key.scope, key.priority, "shared" if key.shares_cache else "own", key.hint, age(key.created_at))
        for key in found
    ]
    env.output.line(columns(_HEADERS, rows))


@command.command("rm")
@click.argument("names", nargs=-1, required=True, metavar="NAME...")
@common
def rm(env: Env, names: tuple[str, ...]) -> None:
    """Withdraw keys; whoever uses one is refused from now on.

    \b
    Examples:
      omlx key rm laptop
    """
    from omlx_cli import keys
    from omlx_cli.contract.api import Done

    left = keys.remove(env.paths.keys, names)
    message = f"withdrawn: {', '.join(dict.fromkeys(names))}"
    if env.output.as_json:
        env.output.document(Done(message=message))
    else:
        env.output.line(message)
    server = env.settings.server
    if not (left or server.api_key or server.keys):
        env.output.note("no key is left: requests over loopback need none from now on, any other address is refused")


def _known(env: Env) -> tuple[KeyInfo, ...]:
    from omlx_cli.contract.keys import read

    return tuple(_info(record) for record in read(env.paths.keys).keys)


def _info(record: KeyInfo) -> KeyInfo:
    """Return what may be shown of a record."""
    from omlx_cli.contract.keys import KeyInfo

    return KeyInfo(**{name: getattr(record, name) for name in KeyInfo.__struct_fields__})
