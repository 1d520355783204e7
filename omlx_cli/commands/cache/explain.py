"""`omlx cache explain`: why a prompt was computed though it was known."""

from __future__ import annotations

from urllib.parse import quote

import click

from omlx_cli.contract import routes
from omlx_cli.contract.explain import ExplainReply, Explanation
from omlx_cli.env import Env
from omlx_cli.options import common
from omlx_cli.output import printable
from omlx_cli.table import age, pairs


@click.command("explain")
@click.argument("request", required=False, default="")
@common
def command(env: Env, request: str) -> None:
    """Tell why a request's prompt was not reused further: where reuse ended, the cause, and what to do.

    REQUEST is the id of a request (its x-request-id) or of a reply. Without one, the last request that computed more
    than it had to. The daemon remembers the last 256, in memory alone.

    \b
    Examples:
      omlx cache explain
      omlx cache explain req_0123456789abcdef0123456789abcdef
      omlx cache explain --json
    """
    reply = env.client.get(f"{routes.CACHE_EXPLAIN}?id={quote(request, safe='')}", ExplainReply)
    if env.output.as_json:
        env.output.document(reply)
    elif reply.explanation is None:
        known = f"of the last {reply.requests} requests" if reply.requests else "no request was made yet, so"
        env.output.line(f"{known} none computed more than it had to")
    else:
        env.output.line(_told(reply.explanation))


def _told(found: Explanation) -> str:
    """Return an explanation in lines."""
    ago = age(found.at)
    rows = [
        ("request", f"{found.request} of {found.model}" + (f", {ago}" if ago else "")),
        ("client", found.client),
        ("prompt", f"{found.prompt_tokens} tokens"),
        ("reused", f"{found.cached_hot_tokens} from RAM, {found.cached_cold_tokens} from SSD"),
        ("computed", f"{found.recomputed_tokens}" + _avoidable(found)),
        ("cause", f"{found.cause}: {found.meaning}" + (f" ({found.detail})" if found.detail else "")),
        ("where", _place(found)),
        ("before", _quoted(found.before)),
        ("now", _quoted(found.now)),
        ("earlier", _quoted(found.earlier)),
        ("advice", found.advice),
    ]
    return printable(pairs(rows))


def _avoidable(found: Explanation) -> str:
    return f", of which about {found.avoidable_tokens} need not have been" if found.avoidable_tokens else ""


def _place(found: Explanation) -> str:
    if not found.cause.is_miss:
        return ""
    other = f", compared with {found.compared_with}" if found.compared_with else ""
    reused = found.cached_hot_tokens + found.cached_cold_tokens
    more = f"; with another prompt it shares {reused}" if reused > found.at_tokens else ""
    return f"after token {found.at_tokens}{other}{more}"


def _quoted(text: str) -> str:
    """Return text as one line that shows what is not seen, as JSON can."""
    import msgspec

    shown = msgspec.json.encode(text).decode() if text else ""
    return "".join(letter if letter.isprintable() else f"\\u{ord(letter):04x}" for letter in shown)
