"""The cache commands without a daemon: a child process of the CLI that locks the directory itself.

Writes JSON of `omlx_cli.contract.cache` to stdout; an error goes to stderr as `{"error": {...}}`, with its exit code.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

import msgspec

from omlx_cli.contract.api import Done
from omlx_cli.contract.cache import (
    CacheList,
    CachePath,
    CachePins,
    CacheStats,
    PruneReport,
    VerifyDone,
    VerifyProgress,
    VerifyReport,
)
from omlx_cli.contract.errors import Code, ErrorReply, Exit, OmlxError
from omlx_cli.contract.units import parse_duration_s, parse_size_bytes
from omlx_daemon.ledger.ledger import Ledger
from omlx_daemon.ledger.policy import UNLIMITED, Policy
from omlx_daemon.ledger.prune import Criteria

Value = TypeVar("Value", int, float)


def main(arguments: list[str] | None = None) -> int:
    """Run one command and return its exit code."""
    options = _parser().parse_args(arguments)
    try:
        _say(_run(options))
    except OmlxError as error:
        sys.stderr.write(msgspec.json.encode(ErrorReply(error.body)).decode() + "\n")
        return error.meaning.exit
    except KeyboardInterrupt:
        return Exit.INTERRUPTED
    return Exit.OK


def _run(options: argparse.Namespace) -> msgspec.Struct:
    root = Path(options.dir)
    if options.incompatible and not options.current:
        raise OmlxError(
            Code.INVALID_REQUEST,
            "--incompatible needs the fingerprints of the models that are here: without one, all would go",
            "give --current FINGERPRINT for each, or --current none where there is no model",
            param="current",
        )
    if options.command == "path":
        return CachePath(path=str(root), exists=root.is_dir())
    if not root.is_dir():
        return _of_nothing(root, options)
    ledger = Ledger.open(root, Policy(quota_bytes=options.quota_bytes, min_free_bytes=options.min_free_bytes))
    try:
        return _COMMANDS[options.command](ledger, options)
    finally:
        ledger.close()


def _of_nothing(root: Path, options: argparse.Namespace) -> msgspec.Struct:
    """Answer where there is no directory: nothing is made to look at nothing."""
    if options.command == "unpin":
        raise _no_pin(options.label)
    empty: dict[str, msgspec.Struct] = {
        "ls": CacheList(),
        "stats": CacheStats(path=str(root)),
        "prune": PruneReport(dry_run=options.dry_run),
        "clear": PruneReport(),
        "verify": VerifyDone(report=VerifyReport()),
        "pins": CachePins(),
    }
    return empty[options.command]


def _list(ledger: Ledger, options: argparse.Namespace) -> msgspec.Struct:
    return ledger.rows(options.current)


def _stats(ledger: Ledger, options: argparse.Namespace) -> msgspec.Struct:
    return ledger.stats(options.current)


def _prune(ledger: Ledger, options: argparse.Namespace) -> msgspec.Struct:
    criteria = Criteria(
        older_than_s=_number("older-than", options.older_than, parse_duration_s),
        larger_than_bytes=_number("larger-than", options.larger_than, parse_size_bytes),
        model=options.model or None,
        current=frozenset(options.current or ()) if options.incompatible else None,
    )
    return ledger.prune(criteria, dry_run=options.dry_run)


def _clear(ledger: Ledger, options: argparse.Namespace) -> msgspec.Struct:
    return ledger.clear(pinned=options.pinned)


def _verify(ledger: Ledger, options: argparse.Namespace) -> msgspec.Struct:
    report = ledger.verify(
        options.sample or None, lambda checked, total: _say(VerifyProgress(checked=checked, total=total))
    )
    return VerifyDone(report=report)


def _pins(ledger: Ledger, options: argparse.Namespace) -> msgspec.Struct:
    return ledger.pins()


def _unpin(ledger: Ledger, options: argparse.Namespace) -> msgspec.Struct:
    if not ledger.unpin(options.label):
        raise _no_pin(options.label)
    return Done(message=f"unpinned {options.label}")


_COMMANDS: dict[str, Callable[[Ledger, argparse.Namespace], msgspec.Struct]] = {
    "ls": _list,
    "stats": _stats,
    "prune": _prune,
    "clear": _clear,
    "verify": _verify,
    "pins": _pins,
    "unpin": _unpin,
}


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="omlx_daemon.ledger", description=__doc__)
    parser.add_argument("command", choices=[*_COMMANDS, "path"])
    parser.add_argument("--dir", required=True, help="the cache directory")
    parser.add_argument("--json", action="store_true", help="the only form there is")
    parser.add_argument("--quota-bytes", type=int, default=UNLIMITED)
    parser.add_argument("--min-free-bytes", type=int, default=0)
    parser.add_argument("--current", action="append", help="a fingerprint that a model here has")
    parser.add_argument("--older-than", default="", help="7d")
    parser.add_argument("--larger-than", default="", help="10MiB")
    parser.add_argument("--model", default="")
    parser.add_argument("--incompatible", action="store_true")
    parser.add_argument("--dry-run", action="store_true")
    parser.add_argument("--pinned", action="store_true", help="clear pinned blocks too")
    parser.add_argument("--sample", type=int, default=0)
    parser.add_argument("--label", default="")
    return parser


def _number(option: str, text: str, parse: Callable[[str], Value]) -> Value | None:
    try:
        return parse(text) if text else None
    except ValueError as error:
        raise OmlxError(Code.INVALID_REQUEST, f"--{option}: {error}", param=option) from error


def _no_pin(label: str) -> OmlxError:
    return OmlxError(Code.NOT_FOUND, f"there is no pin {label!r}", "omlx cache stats  shows the pins")


def _say_progress(checked: int, total: int) -> None:
    _say(VerifyProgress(checked=checked, total=total))


def _say(document: msgspec.Struct) -> None:
    sys.stdout.write(msgspec.json.encode(document).decode() + "\n")
    sys.stdout.flush()


if __name__ == "__main__":
    sys.exit(main())
