"""`omlx pull`: a model onto the disk."""

from __future__ import annotations

import click

from omlx_cli import progress, pulling
from omlx_cli.env import Env
from omlx_cli.naming import model_argument
from omlx_cli.options import common


@click.command("pull")
@click.argument("model")
@click.option("--as", "name", default="", metavar="NAME", help="Store it under this name.")
@common
def command(env: Env, model: str, name: str) -> None:
    """Fetch a model from the hub or the catalog, or import a local folder or GGUF file.

    MODEL is a short name (smollm2), a hub id (ORG/NAME), or the path of a folder or a .gguf file. A pull that
    was stopped goes on where it was. With --json, every step is one line of JSON; with -q, the model's name is
    all that is printed.

    \b
    Examples:
      omlx pull smollm2
      omlx pull mlx-community/Qwen3-0.6B-4bit
      omlx pull ./model.gguf --as mine
    """
    output = env.output
    reporter = progress.Records(output) if output.as_json else progress.reporter(output)
    done = pulling.pull(env.daemon(), model_argument(model), name, reporter)
    if output.as_json:
        output.record(done)
    else:
        output.line(done.model.name if output.quiet else pulling.outcome(done))
