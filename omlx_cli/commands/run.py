"""`omlx run`: one answer, or a chat."""

from __future__ import annotations

import sys

import click

from omlx_cli.duration import DURATION, KEEP_ALIVE
from omlx_cli.env import Env
from omlx_cli.options import common


@click.command("run")
@click.argument("model", required=False)
@click.argument("prompt", nargs=-1)
@click.option("--system", metavar="TEXT", help="Instructions that come before the chat.")
@click.option(
    "-t", "--temperature", type=click.FloatRange(0, 2), metavar="N", help="0 always takes the likeliest token."
)
@click.option(
    "--top-p", type=click.FloatRange(0, 1), metavar="P", help="Keep the likeliest tokens up to this probability."
)
@click.option(
    "--top-k", type=click.IntRange(0), metavar="N", help="Keep this many of the likeliest tokens; 0 keeps all."
)
@click.option(
    "--min-p", type=click.FloatRange(0, 1), metavar="P", help="Keep tokens this likely compared to the likeliest."
)
@click.option("-n", "--max-tokens", type=click.IntRange(1), metavar="N", help="The longest answer, in tokens.")
@click.option("--seed", type=click.IntRange(0), metavar="N", help="Make a random answer repeatable.")
@click.option("--stop", multiple=True, metavar="TEXT", help="End the answer before this text; may be repeated.")
@click.option("--ttl", type=DURATION, default="", metavar="TIME", help="Idle time the model may stay: 10m, never.")
@click.option(
    "--keep-alive", type=KEEP_ALIVE, metavar="TIME", help="Idle time it may stay after each answer: 5m, 300, 0 or -1."
)
@click.option("--raw", is_flag=True, help="Continue the prompt as it is, without the chat template.")
@click.option("-v", "--verbose", is_flag=True, help="Print times and token counts afterwards.")
@common
def command(
    env: Env,
    model: str | None,
    prompt: tuple[str, ...],
    system: str | None,
    ttl: str,
    raw: bool,
    verbose: bool,
    **sampling: object,
) -> None:
    """Ask a model once, or chat with it.

    With a PROMPT, or text on stdin, or both (the prompt comes first), the answer streams to stdout. Without
    either, on a terminal, a chat opens; /help in there tells more. MODEL is the configured default where it is
    left out. A model that is not here yet is pulled first.

    \b
    Examples:
      omlx run
      omlx run smollm2 "Why is the sky blue?"
      omlx run smollm2 "Summarise this" < notes.txt
      git diff | omlx run smollm2 "Write a commit message" --temperature 0
      omlx run smollm2 "Why?" --json | jq -r .text
    """
    from omlx_cli.naming import model_argument
    from omlx_cli.speaking import Speaker, prompt_text

    if raw and system is not None:
        raise click.UsageError("--raw takes no --system")
    name = model_argument(model or env.settings.model.default)
    text = prompt_text(prompt, sys.stdin)
    speaker = Speaker(env, name, _options(sampling), ttl)
    if text:
        speaker.answer_once(text, system or "", raw=raw, verbose=verbose)
    elif sys.stdin.isatty() and sys.stdout.isatty() and not env.output.as_json and not raw:
        from omlx_cli.chat.terminal import hold

        hold(env, speaker, system or "", verbose)
    else:
        raise click.UsageError("there is no prompt; give one as an argument or on stdin")


def _options(sampling: dict[str, object]) -> dict[str, object]:
    """Return what the user chose, in the request's own terms; the rest is the model's own choice."""
    return {name: value for name, value in sampling.items() if value is not None and value != ()}
