"""Which rows share a batch: padding is weighed against the cost of one batch more."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import groupby

_MAX_CLASSES = 48


def partition(sizes: Sequence[int], batch_bytes: float) -> list[list[int]]:
    """Return the numbers of the rows of each batch, the shortest rows first.

    `sizes` are KV bytes, one a row; `batch_bytes` is what another batch costs, in bytes of padding. The sum of
    padding and batches is the least there is.
    """
    if not sizes:
        return []
    longest = max(sizes)
    if longest * len(sizes) - sum(sizes) <= batch_bytes:
        return [list(range(len(sizes)))]
    classes = _classes(sizes)
    cuts = _cuts([max(sizes[row] for row in rows) for rows in classes], [len(rows) for rows in classes], batch_bytes)
    return [[row for rows in classes[start:end] for row in rows] for start, end in cuts]


def _classes(sizes: Sequence[int]) -> list[list[int]]:
    """Return rows of about equal size together, in order of size, not too many of them to compare all."""
    ordered = sorted(range(len(sizes)), key=lambda row: sizes[row])
    spread = sizes[ordered[-1]] - sizes[ordered[0]]
    grain = max(1, spread // _MAX_CLASSES)
    return [list(rows) for _, rows in groupby(ordered, key=lambda row: sizes[row] // grain)]


def _cuts(tops: list[int], counts: list[int], batch_bytes: float) -> list[tuple[int, int]]:
    """Return the ranges of classes that cost least together."""
    best: list[tuple[float, int]] = [(0.0, 0)]
    for end in range(1, len(tops) + 1):
        rows, options = 0, []
        for start in reversed(range(end)):
            rows += counts[start]
            options.append((best[start][0] + batch_bytes + rows * tops[end - 1], start))
        best.append(min(options))
    cuts, end = [], len(tops)
    while end:
        start = best[end][1]
        cuts.append((start, end))
        end = start
    return cuts[::-1]
