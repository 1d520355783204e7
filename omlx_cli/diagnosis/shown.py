"""Checks as people read them: aligned, and wrapped where a terminal shows them."""

from __future__ import annotations

import shutil
import sys
import textwrap
from collections import Counter
from collections.abc import Iterable

from omlx_cli.diagnosis.areas import AREAS
from omlx_cli.diagnosis.check import Check, Verdict
from omlx_cli.output import printable, styled

_AREA_WIDTH = max(map(len, AREAS))
_VERDICT_WIDTH = max(map(len, Verdict))
_INDENT = " " * (_AREA_WIDTH + _VERDICT_WIDTH + 4)
_FIX = "fix: "
_NARROWEST = 40


def check(found: Check) -> str:
    """Return a check in a few lines; the command that mends it is on one of its own, whole, to be copied."""
    verdict = styled(str(found.verdict), sys.stdout) + " " * (_VERDICT_WIDTH - len(found.verdict))
    head = f"{found.area.ljust(_AREA_WIDTH)}  {verdict}  "
    lines = [head + ("\n" + _INDENT).join(_wrapped(printable(found.found)))]
    lines += [_INDENT + printable(line) for line in found.details]
    if found.fix:
        lines.append(f"{_INDENT}{_FIX}{printable(found.fix)}")
    return "\n".join(lines)


def summary(checks: Iterable[Check]) -> str:
    """Return in a few words how many things are wrong."""
    count = Counter(found.verdict for found in checks)
    parts = [f"{count[Verdict.BROKEN]} broken"] if count[Verdict.BROKEN] else []
    if warnings := count[Verdict.WARNING]:
        parts.append(f"{warnings} warning{'s' if warnings > 1 else ''}")
    return ", ".join(parts) or "all is well"


def _wrapped(text: str) -> list[str]:
    """Return `text` as lines that fit beside what stands before them; whole where no terminal shows it."""
    if not sys.stdout.isatty():
        return [text]
    width = max(_NARROWEST, shutil.get_terminal_size().columns - len(_INDENT))
    return textwrap.wrap(text, width, break_long_words=False, break_on_hyphens=False) or [""]
