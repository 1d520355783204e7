"""`omlx cache stats`: the books, and what was saved."""

from __future__ import annotations

import click
import msgspec

from omlx_cli.books import figures, open_books
from omlx_cli.contract.cache import CacheMetrics, CacheStats
from omlx_cli.env import Env
from omlx_cli.options import common


@click.command("stats")
@common
def command(env: Env) -> None:
    """Show what the SSD tier takes and may take, and, where the daemon runs, what both tiers saved.

    \b
    Examples:
      omlx cache stats
      omlx cache stats --json
    """
    books = open_books(env)
    stats, metrics = books.stats(), books.metrics()
    if env.output.as_json:
        env.output.document({**msgspec.structs.asdict(stats), "metrics": metrics})
        return
    env.output.line(figures.accounts(stats))
    if stats.namespaces:
        env.output.line("\n" + figures.namespaces(stats.namespaces))
    if metrics is None:
        env.output.note("the daemon is not running: what was reused is not counted now")
    else:
        _print_metrics(env, metrics)
    _warn(env, stats)


def _print_metrics(env: Env, metrics: CacheMetrics) -> None:
    if any(model.tiers for model in metrics.models):
        env.output.line("\n" + figures.tiers(metrics.models))
    env.output.line("\n" + figures.reuse(metrics))
    for line in figures.uncached(metrics.models):
        env.output.note(line)


def _warn(env: Env, stats: CacheStats) -> None:
    if stats.state != "ok":
        env.output.warn(f"nothing is written to the SSD: {stats.reason}")
