"""What to tell people of files that the operating system keeps from us: what happened, and what to do."""

from __future__ import annotations

import errno

from omlx_cli.contract.errors import Code, OmlxError

_FULL = (errno.ENOSPC, errno.EDQUOT)
_DENIED = (errno.EACCES, errno.EPERM)
KNOWN = (*_FULL, errno.EROFS, *_DENIED)
"""Errors of the disk and its permissions: there is something to do about them, whatever was being done."""


def unusable(error: OSError, doing: str) -> OmlxError:
    """Return the error for a home that cannot be used; `doing` is such as `cannot make /home/.omlx/run`."""
    return OmlxError(Code.HOME_UNUSABLE, f"{doing}: {reason(error)}", advice(error))


def reason(error: OSError) -> str:
    """Return the operating system's own words."""
    return error.strerror or str(error)


def advice(error: OSError) -> str:
    """Return what puts an end to it."""
    if error.errno in _FULL:
        return "free some space on that disk, or set OMLX_HOME to a folder on another one"
    if error.errno == errno.EROFS:
        return "that disk is mounted read-only: mount it for writing, or set OMLX_HOME to a folder on another one"
    if error.errno in _DENIED:
        return "if it is yours, chmod u+rwX  gives it back to you; else set OMLX_HOME to a folder of your own"
    if error.errno in (errno.EISDIR, errno.ENOTDIR, errno.EEXIST, errno.ELOOP, errno.ENXIO):
        return "something else is in its place: move that away, or set OMLX_HOME to another folder"
    return "set OMLX_HOME to a folder that you can write"
