"""`omlx top`: the live dashboard, and what it shows for scripts."""

from __future__ import annotations

import sys

import click
import msgspec

from omlx_cli.contract import routes
from omlx_cli.contract.errors import Code, OmlxError
from omlx_cli.contract.live import Snapshot
from omlx_cli.duration import DURATION
from omlx_cli.env import Env
from omlx_cli.options import common


@click.command("top")
@click.option("--once", is_flag=True, help="Print one picture as text, and end; so does a run off a terminal.")
@click.option("--watch", is_flag=True, help="With --json: print events as they come, until Ctrl-C.")
@click.option(
    "--interval", type=DURATION, default="", metavar="TIME", help="With --watch: the least time between two changes."
)
@click.option("--serve", is_flag=True, help="Show it in a browser on this machine, behind a token, until Ctrl-C.")
@click.option("--port", type=click.IntRange(0, 65535), default=0, help="With --serve: the port; 0 is a free one.")
@common
def command(env: Env, once: bool, watch: bool, interval: str, serve: bool, port: int) -> int:
    """Watch the daemon live: its memory, models, requests, cache and what happens. Never starts it by itself.

    With --json: one snapshot, or with --watch JSON lines: a snapshot, then what changes, and what happens.

    \b
    Examples:
      omlx top
      omlx top --once
      omlx top --json | jq .requests
      omlx top --json --watch --interval 1s
      omlx top --serve
    """
    if serve:
        return _serve(env, port)
    if port:
        raise click.UsageError("--port goes with --serve")
    if (watch or interval) and not env.output.as_json:
        raise click.UsageError("--watch and --interval go with --json")
    if interval and not watch:
        raise click.UsageError("--interval goes with --watch")
    if watch:
        _watch(env, interval)
    elif env.output.as_json:
        env.output.document(_snapshot(env))
    elif once or not (sys.stdin.isatty() and sys.stdout.isatty()):
        from omlx_cli.top.text import render

        env.output.text(render(_snapshot(env)))
    else:
        from omlx_cli.top.app import run

        return run(env)
    return 0


def _serve(env: Env, port: int) -> int:
    from omlx_cli.top import browser

    browser.run(port, lambda url: env.output.text(f"{url}\n"))
    return 0


def _watch(env: Env, interval: str) -> None:
    query = f"?interval={interval}" if interval else ""
    for line in env.client.follow(routes.EVENTS + query):
        env.output.text(f"{line.decode()}\n")
    raise _stopped()


def _snapshot(env: Env) -> Snapshot:
    lines = env.client.follow(routes.EVENTS)
    try:
        return msgspec.json.decode(next(lines), type=Snapshot)
    except StopIteration as error:
        raise _stopped() from error
    except msgspec.DecodeError as error:
        raise OmlxError(
            Code.INTERNAL, f"the daemon's reply cannot be read: {error}", "omlx restart  starts the installed version"
        ) from error
    finally:
        lines.close()


def _stopped() -> OmlxError:
    return OmlxError(Code.DAEMON_UNREACHABLE, "the daemon has stopped", "omlx start  starts it")
