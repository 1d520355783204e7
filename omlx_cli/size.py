"""Sizes on the command line."""

from __future__ import annotations

import click

from omlx_cli.contract.units import parse_size_bytes

_ANY_VOLUME_BYTES = 1 << 40


class _Size(click.ParamType[str]):
    """Takes `10MiB` or `100GB`, where a share has a meaning also `20%`, and hands it on as it was written."""

    name = "size"

    def __init__(self, *words: str, share: bool = False) -> None:
        self._words = words
        self._base_bytes = _ANY_VOLUME_BYTES if share else None

    def convert(self, value: str, param: click.Parameter | None, ctx: click.Context | None) -> str:
        """Return `value` once it is known to be a size."""
        try:
            if value and value not in self._words:
                parse_size_bytes(value, self._base_bytes)
        except ValueError as error:
            self.fail(str(error), param, ctx)
        return value


SIZE = _Size()
"""Bytes."""

LIMIT = _Size("auto", share=True)
"""Bytes, a share of what there is, or `auto`."""
