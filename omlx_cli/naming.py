"""What people type where a model is meant: a name, or a path of their own."""

from __future__ import annotations

from omlx_cli.contract.errors import Code, OmlxError

_STARTS = ("/", "./", "../", "~")
_GGUF = ".gguf"


def model_argument(text: str) -> str:
    """Return `text` as the daemon takes it: a path made absolute, a name as it is.

    Raises OmlxError(NOT_FOUND) for a path where nothing is.
    """
    if not text.strip():
        raise OmlxError(Code.INVALID_REQUEST, "the model's name is empty", "omlx ls  lists the models", param="model")
    is_path = text.startswith(_STARTS) or text in (".", "..")
    if not is_path and not text.lower().endswith(_GGUF):
        return text
    from pathlib import Path

    path = Path(text).expanduser().absolute()
    if path.exists():
        return str(path.resolve())
    if is_path:
        raise OmlxError(Code.NOT_FOUND, f"there is nothing at {text}", "a name has no leading / or .", param="model")
    return text
