"""Puts an adapter on a model that is not evaluated yet."""

from __future__ import annotations

from pathlib import Path

from mlx.nn.layers.base import Module
from mlx_lm.tuner.utils import load_adapters

from omlx_cli.contract.errors import Code, OmlxError
from omlx_daemon.core.adapters import Adapter, stamp

_HINT = "an adapter fits the model that it was trained on, in any quantisation of it"


def put_on(model: Module, adapter: Adapter, name: str) -> None:
    """Give the model called `name` the adapter's layers and weights. Raises OmlxError(LOAD_FAILED)."""
    try:
        load_adapters(model, adapter.path)
    except Exception as error:
        raise _failed(name, adapter, f"does not fit it: {_reason(error)}", _HINT) from error
    # Layers that are new drop values out at random unless told that nobody trains them.
    model.eval()


def check_unchanged(adapter: Adapter, name: str) -> None:
    """See that the files that were read are those that the cache's fingerprint covers. Raises OmlxError(LOAD_FAILED).

    To be called when the weights are in memory.
    """
    try:
        same = stamp(Path(adapter.path)) == adapter.stamp
    except OSError:
        same = False
    if not same:
        raise _failed(name, adapter, "changed while it was loaded", "load the model again once it is written")


def _reason(error: Exception) -> str:
    """Return what is wrong in a line: of many tensors that do not fit, the first."""
    title, *lines = [" ".join(line.split()) for line in str(error).splitlines()] or [type(error).__name__]
    if not lines:
        return title
    more = f", and {len(lines) - 1} more" if len(lines) > 1 else ""
    return lines[0] + more


def _failed(name: str, adapter: Adapter, what: str, hint: str) -> OmlxError:
    return OmlxError(Code.LOAD_FAILED, f"{name} cannot be loaded: its adapter {adapter.path} {what}", hint)
