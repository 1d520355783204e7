"""How the commands that remove blocks ask, and what they say at their end."""

from __future__ import annotations

import sys

import click

from omlx_cli.contract.cache import PruneReport
from omlx_cli.contract.errors import Code, OmlxError
from omlx_cli.contract.units import format_bytes
from omlx_cli.output import Output
from omlx_cli.table import columns


def files(count: int) -> str:
    """Return a count of files in words."""
    return f"{count} file{'' if count == 1 else 's'}"


def amount(report: PruneReport) -> str:
    """Return what a report counts, such as `12 files, 34.5 MB`."""
    return f"{files(report.files)}, {format_bytes(report.size_bytes)}"


def confirm(verb: str, what: str) -> None:
    """Return if the user agrees. Raises OmlxError(CONFIRMATION_REQUIRED), without asking off a terminal."""
    can_ask = sys.stdin.isatty() and sys.stderr.isatty()
    if not can_ask or not click.confirm(f"{verb.capitalize()} {what}?", err=True):
        raise OmlxError(
            Code.CONFIRMATION_REQUIRED, f"nothing was removed: {what}", f"omlx cache {verb} --yes  does not ask"
        )


def show(output: Output, report: PruneReport) -> None:
    """Print what went, or would: its models, then one line. Raises OmlxError where it ended early."""
    if output.as_json:
        output.document(report)
    else:
        if len(report.models) > 1:
            output.note(by_model(report))
        output.line(f"{'would remove' if report.dry_run else 'removed'} {amount(report)}")
        if report.kept_pinned_files:
            output.note(f"kept {files(report.kept_pinned_files)} of pinned prefixes")
    if report.error is not None:
        raise OmlxError.of(report.error)


def by_model(report: PruneReport) -> str:
    """Return a table of a report's models."""
    rows = [(one.model or "-", str(one.files), format_bytes(one.size_bytes)) for one in report.models]
    return columns(("MODEL", "FILES", "SIZE"), rows, right=("FILES", "SIZE"))
