"""`omlx show`: one model in detail."""

from __future__ import annotations

import click

from omlx_cli.contract import routes
from omlx_cli.contract.api import ModelBody, ModelDetail
from omlx_cli.contract.units import format_bytes
from omlx_cli.env import Env
from omlx_cli.naming import model_argument
from omlx_cli.options import common
from omlx_cli.table import age, pairs

_KV_STORE = {
    16: "as computed",
    8: "8-bit: smaller, costs little (docs/cache.md has the figures)",
    4: "4-bit: smallest, lossy: answers after a restored prefix differ (docs/cache.md has the figures)",
}


@click.command("show")
@click.argument("model")
@click.option("--template", is_flag=True, help="Print the chat template alone.")
@common
def command(env: Env, model: str, template: bool) -> None:
    """Show where a model is, what it is, and where it came from.

    \b
    Examples:
      omlx show smollm2
      omlx show smollm2 --template
      omlx show mlx-community/Qwen3-0.6B-4bit --json
    """
    detail = env.daemon().post(routes.SHOW, ModelBody(model=model_argument(model)), ModelDetail)
    if env.output.as_json:
        env.output.document(detail)
    else:
        env.output.line(detail.chat_template if template else pairs(_rows(detail)))


def _rows(detail: ModelDetail) -> list[tuple[str, str]]:
    model = detail.model
    kept = [word for word, holds in (("loaded", model.loaded), ("pinned", model.pinned)) if holds]
    return [
        ("name", model.name),
        ("aliases", ", ".join(model.aliases)),
        ("architecture", model.architecture),
        ("parameters", _count(detail.parameters)),
        ("quantization", model.quantization),
        ("context", f"{model.context_tokens} tokens" if model.context_tokens else ""),
        ("size", format_bytes(model.size_bytes)),
        ("kv store", _KV_STORE.get(detail.kv_store_bits, f"{detail.kv_store_bits}-bit")),
        ("adapter", detail.adapter + (f" ({format_bytes(detail.adapter_bytes)})" if detail.adapter_bytes else "")),
        ("license", detail.license),
        ("source", model.source),
        ("origin", detail.origin),
        ("modified", age(model.modified_at)),
        ("memory", ", ".join(kept)),
        ("path", model.path),
        ("namespace", detail.namespace),
        ("problem", model.problem),
    ]


def _count(parameters: int) -> str:
    if parameters >= 1_000_000_000:
        return f"{parameters / 1e9:.1f} B"
    return f"{parameters / 1e6:.0f} M" if parameters else ""
