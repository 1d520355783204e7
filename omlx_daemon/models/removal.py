"""Deleting a model's files, where they are omlx's to delete."""

from __future__ import annotations

import shutil
from pathlib import Path

from omlx_cli.contract.errors import Code, OmlxError
from omlx_cli.contract.units import format_bytes
from omlx_daemon.core.models import ModelSpec
from omlx_daemon.models import hubcache, registry, stage


def remove(spec: ModelSpec, models: Path) -> str:
    """Delete the files of `spec` and return what was done. Raises OmlxError where they are somebody else's."""
    try:
        if spec.source == registry.OWN:
            stage.set_aside(_inside(Path(spec.path), models))
        elif spec.source == registry.HUB:
            _remove_repository(spec)
        else:
            raise OmlxError(
                Code.FORBIDDEN, f"{spec.name} belongs to another program", f"its folder is {spec.path}; delete it there"
            )
    except OSError as error:
        raise OmlxError(Code.INTERNAL, f"cannot delete {spec.name}: {error.strerror or error}") from error
    return f"deleted {spec.name} ({format_bytes(spec.weights_bytes)})"


def _remove_repository(spec: ModelSpec) -> None:
    cache = hubcache.location()
    shutil.rmtree(_inside(hubcache.repository(cache, spec.name), cache))
    shutil.rmtree(cache / ".locks" / hubcache.repository(cache, spec.name).name, ignore_errors=True)


def _inside(path: Path, root: Path) -> Path:
    """Return `path` where it is a real folder directly in `root`. Raises OmlxError(FORBIDDEN)."""
    if path.is_symlink() or path.resolve().parent != root.resolve():
        raise OmlxError(
            Code.FORBIDDEN, f"{path} is a link to another place and is left alone", "delete the link yourself"
        )
    return path
