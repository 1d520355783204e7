"""`omlx completion`: the scripts that complete `omlx` in a shell."""

from __future__ import annotations

import click

from omlx_cli.env import Env
from omlx_cli.options import common


@click.command("completion")
@click.argument("shell", type=click.Choice(("bash", "zsh", "fish")))
@common
def command(env: Env, shell: str) -> None:
    """Print the completion script of SHELL: commands, options, and the names of your models.

    Homebrew installs it by itself.

    \b
    Examples:
      omlx completion bash > ~/.local/share/bash-completion/completions/omlx
      omlx completion zsh > "${fpath[1]}/_omlx"
      omlx completion fish > ~/.config/fish/completions/omlx.fish
      eval "$(omlx completion bash)"
    """
    from omlx_cli.installation import scripts

    text = scripts.read(shell)
    if env.output.as_json:
        env.output.document(scripts.Script(shell=shell, script=text))
    else:
        env.output.text(text)
