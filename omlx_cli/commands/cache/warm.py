"""`omlx cache warm`: a prompt computed before it is asked for."""

from __future__ import annotations

import click

from omlx_cli.books import reading
from omlx_cli.contract import routes
from omlx_cli.contract.cache import CacheWarm, CacheWarmBody
from omlx_cli.contract.units import format_duration
from omlx_cli.env import Env
from omlx_cli.naming import model_argument
from omlx_cli.options import common


@click.command("warm")
@click.argument("file")
@click.option("--model", default="", metavar="MODEL", help="Default: model.default.")
@common
def command(env: Env, file: str, model: str) -> None:
    """Compute a prompt and store it, without an answer, so that the first request finds it.

    FILE is plain text, or, where its name ends in .json, a chat: a list of messages, or an object with one.

    \b
    Examples:
      omlx cache warm context.txt
      omlx cache warm chat.json --model smollm2
    """
    prompt = reading.prompt(file)
    name = model_argument(model or env.settings.model.default)
    body = CacheWarmBody(model=name, text=prompt.text, messages=prompt.messages)
    reply = env.daemon().post(routes.CACHE_WARM, body, CacheWarm, timeout_s=None)
    if env.output.as_json:
        env.output.document(reply)
    else:
        there = reply.prompt_tokens - reply.computed_tokens
        spent = format_duration(reply.seconds)
        env.output.line(
            f"{reply.prompt_tokens} tokens are ready: {reply.computed_tokens} computed in {spent}, {there} were there"
        )
