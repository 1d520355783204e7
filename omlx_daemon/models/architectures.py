"""Which models mlx-lm can run, found in its files without importing it."""

from __future__ import annotations

import ast
import importlib.util
import re
from functools import cache
from pathlib import Path

_CODE_KEYS = ("auto_map", "model_file")
_MODEL_CLASS = re.compile(r"^(?:class |from .+ import .*)\bModel\b", re.MULTILINE)


def problem(config: dict[str, object]) -> str:
    """Return why the model of a `config.json` cannot be loaded, or an empty text."""
    for key in _CODE_KEYS:
        if config.get(key):
            return f"it wants to run code of its own ({key} in config.json); omlx never does"
    model_type = config.get("model_type")
    if not isinstance(model_type, str) or not model_type:
        return "its config.json names no model_type"
    if not is_known(model_type):
        return f"mlx-lm does not know the architecture {model_type!r}"
    return ""


@cache
def is_known(model_type: str) -> bool:
    """Tell whether mlx-lm has code for `model_type`."""
    folder = _folder()
    if folder is None or not model_type.replace("-", "_").replace(".", "_").isidentifier():
        return False
    module = folder / "models" / f"{_remapping(folder).get(model_type, model_type)}.py"
    try:
        text = module.read_text(encoding="utf-8")
    except (OSError, ValueError):
        return False
    return _MODEL_CLASS.search(text) is not None


@cache
def _folder() -> Path | None:
    spec = importlib.util.find_spec("mlx_lm")
    places = spec.submodule_search_locations if spec else None
    return Path(next(iter(places))) if places else None


@cache
def _remapping(folder: Path) -> dict[str, str]:
    """Return mlx-lm's table of architectures that share another one's code."""
    tree = ast.parse((folder / "utils.py").read_text(encoding="utf-8"))
    for node in tree.body:
        if isinstance(node, ast.Assign) and any(getattr(t, "id", "") == "MODEL_REMAPPING" for t in node.targets):
            table: dict[str, str] = ast.literal_eval(node.value)
            return table
    return {}
