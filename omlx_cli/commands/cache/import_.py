"""`omlx cache import`: the blocks of an archive."""

from __future__ import annotations

from pathlib import Path

import click

from omlx_cli.books import reading, removing
from omlx_cli.contract import routes
from omlx_cli.contract.cache import CacheArchiveBody, PruneReport
from omlx_cli.contract.errors import Code, OmlxError
from omlx_cli.env import Env
from omlx_cli.options import common


@click.command("import")
@click.argument("file")
@common
def command(env: Env, file: str) -> None:
    """Take the blocks of an archive that `omlx cache export` wrote; each is checked against its own checksum.

    That finds damage, not forgery: take archives from those alone whom you trust, or compute the blocks again.

    \b
    Examples:
      omlx cache import smollm2.kv && omlx cache verify --deep
    """
    path = reading.archive(file)
    if not Path(path).exists():
        raise OmlxError(Code.NOT_FOUND, f"there is no file {file}", "omlx cache export  writes one")
    report = env.daemon().post(routes.CACHE_IMPORT, CacheArchiveBody(path=path), PruneReport, timeout_s=None)
    if env.output.as_json:
        env.output.document(report)
    else:
        env.output.line(f"imported {removing.amount(report)}")
        for reason, files in report.left_out.items():
            env.output.note(f"left out {files} {reason}")
        if report.files:
            env.output.note("their checksums are right; omlx cache verify --deep  computes them again and compares")
    if report.error is not None:
        raise OmlxError.of(report.error)
