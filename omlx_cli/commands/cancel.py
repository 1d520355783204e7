"""`omlx cancel`: an end to requests."""

from __future__ import annotations

import click

from omlx_cli.contract import routes
from omlx_cli.contract.api import Done
from omlx_cli.env import Env
from omlx_cli.options import common


@click.command("cancel")
@click.argument("ids", metavar="ID...", nargs=-1, required=True)
@common
def command(env: Env, ids: tuple[str, ...]) -> None:
    """Cancel requests by their ids; each ends with one error. Exit code 3 where an id is unknown.

    The id stands in `omlx requests`, in the response header x-request-id, and in an answer's own id.

    \b
    Examples:
      omlx cancel req_3f1c5a0e7d0c4f0c9b3b1c9f6a1d2e4b
      omlx cancel chatcmpl-3f1c5a0e7d0c4f0c9b3b1c9f6a1d2e4b
    """
    for request_id in ids:
        reply = env.client.delete(f"{routes.REQUESTS}/{_quoted(request_id)}", Done)
        if env.output.as_json:
            env.output.record(reply) if len(ids) > 1 else env.output.document(reply)
        else:
            env.output.line(reply.message)


def _quoted(text: str) -> str:
    """Return `text` as one segment of a path."""
    safe = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-._~"
    return "".join(chr(byte) if byte in safe else f"%{byte:02X}" for byte in text.encode())
