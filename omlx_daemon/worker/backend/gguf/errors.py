"""The two ways in which an import is refused."""

from __future__ import annotations

from omlx_cli.contract.errors import Code, OmlxError


def damaged(detail: str) -> OmlxError:
    """Return the error for a file that contradicts itself or ends early."""
    return OmlxError(
        Code.UNSUPPORTED_MODEL, f"the GGUF file is damaged: {detail}", "download it again, or compare its checksum"
    )


def unsupported(what: str, hint: str = "") -> OmlxError:
    """Return the error for a sound file that has no counterpart in MLX layout; `what` names the part."""
    return OmlxError(Code.UNSUPPORTED_MODEL, f"this GGUF file cannot be imported: {what}", hint)
