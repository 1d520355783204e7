"""What `pin` and `unpin` share."""

from __future__ import annotations

from omlx_cli.contract.api import ModelBody
from omlx_cli.env import Env
from omlx_cli.naming import model_argument


def set_pin(env: Env, route: str, model: str, done: str) -> None:
    """Send the wish and print what came of it: the model's row where it is loaded, else a message."""
    reply = env.daemon().post(route, ModelBody(model=model_argument(model)), dict[str, object])
    if env.output.as_json:
        env.output.document(reply)
    else:
        env.output.line(str(reply.get("message") or f"{done} {model}"))
