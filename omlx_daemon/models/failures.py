"""Errors of a pull, each with its message in one place."""

from __future__ import annotations

import errno
from difflib import get_close_matches

from omlx_cli.contract.errors import Code, OmlxError
from omlx_cli.contract.units import format_bytes

RESUMES = "what was fetched is kept; the same command goes on from there"


def unknown_name(model: str, known: list[str]) -> OmlxError:
    """Return the error for a word that is no short name, hub id or path, naming near matches."""
    near = get_close_matches(model.lower(), known, n=3, cutoff=0.5)
    hint = f"did you mean {', '.join(near)}?" if near else "a hub id is ORG/NAME, a path begins with / or ./"
    return OmlxError(Code.MODEL_NOT_FOUND, f"{model[:200]!r} is no known short name", hint, param="model")


def unknown_repository(hub_id: str) -> OmlxError:
    """Return the error for a repository that the hub does not show."""
    return OmlxError(
        Code.MODEL_NOT_FOUND,
        f"the hub has no model {hub_id!r}, or it is private",
        "check the spelling; for a private model log in with  hf auth login",
        param="model",
    )


def gated(hub_id: str) -> OmlxError:
    """Return the error for a repository whose terms must be accepted first."""
    return OmlxError(
        Code.PULL_FAILED,
        f"{hub_id} is gated: its owner asks you to accept terms first",
        "accept them on the model's page, then log in with  hf auth login",
    )


def unreachable(what: str) -> OmlxError:
    """Return the error for a source that does not answer."""
    return OmlxError(Code.PULL_FAILED, f"{what} cannot be reached", f"check the network; {RESUMES}")


def out_of_space(needed_bytes: int = 0, free_bytes: int = 0) -> OmlxError:
    """Return the error for a full disk, with the two sizes where they are known."""
    sizes = f": {format_bytes(needed_bytes)} are needed, {format_bytes(free_bytes)} are free" if needed_bytes else ""
    return OmlxError(Code.PULL_FAILED, f"there is not enough space on the disk{sizes}", RESUMES)


def checksum(what: str) -> OmlxError:
    """Return the error for content that is not what was asked for."""
    return OmlxError(
        Code.PULL_FAILED, f"{what} does not have the expected checksum and was deleted", "pull again to fetch it anew"
    )


def of_system(error: OSError) -> OmlxError:
    """Return the error for one of the operating system's."""
    if error.errno in (errno.ENOSPC, errno.EDQUOT):
        return out_of_space()
    name = f" ({error.filename})" if error.filename else ""
    return OmlxError(Code.PULL_FAILED, f"{error.strerror or error}{name}", RESUMES)
