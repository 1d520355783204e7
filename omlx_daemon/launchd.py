"""launchd's own call for the sockets that it opened for a job."""

from __future__ import annotations

import ctypes
import errno
import os


def activate(name: str, library: ctypes.CDLL | None = None) -> list[int]:
    """Return the file descriptors that the job's definition lists under `name`; they are the caller's to close.

    Raises OSError: ENOENT for an unknown name, ESRCH where launchd does not manage this process, EALREADY the
    second time, ENOSYS on a system without launchd.
    """
    system = ctypes.CDLL(None) if library is None else library
    try:
        call = system.launch_activate_socket
    except AttributeError as error:
        raise OSError(errno.ENOSYS, os.strerror(errno.ENOSYS)) from error
    numbers, count = ctypes.POINTER(ctypes.c_int)(), ctypes.c_size_t()
    call.restype = ctypes.c_int
    call.argtypes = [ctypes.c_char_p, ctypes.POINTER(ctypes.POINTER(ctypes.c_int)), ctypes.POINTER(ctypes.c_size_t)]
    code = call(name.encode(), ctypes.byref(numbers), ctypes.byref(count))
    if code:
        raise OSError(code, os.strerror(code))
    found = [numbers[index] for index in range(count.value)]
    _free(numbers)
    return found


def _free(numbers: ctypes._Pointer[ctypes.c_int]) -> None:
    """Give back the array, which the call allocated with malloc."""
    free = ctypes.CDLL(None).free
    free.restype, free.argtypes = None, [ctypes.c_void_p]
    free(ctypes.cast(numbers, ctypes.c_void_p))
