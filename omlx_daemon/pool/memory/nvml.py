"""A GPU's own memory, as NVIDIA's management library tells it: without a CUDA context, which would take some of it."""

from __future__ import annotations

import ctypes
import logging
import os
from typing import Any

_LIBRARY = "libnvidia-ml.so.1"
_OK = 0

_log = logging.getLogger(__name__)


class _Memory(ctypes.Structure):
    _fields_ = (("total", ctypes.c_ulonglong), ("free", ctypes.c_ulonglong), ("used", ctypes.c_ulonglong))


class Gpu:
    """The first visible GPU. Opened at the first question; one that cannot be asked has no memory."""

    def __init__(self, visible: str | None = None, library: Any = None) -> None:
        """Ask of the first device in `visible`, by default `CUDA_VISIBLE_DEVICES`."""
        self._visible = os.environ.get("CUDA_VISIBLE_DEVICES", "") if visible is None else visible
        self._library = library
        self._device: ctypes.c_void_p | None = None
        self._opened = False

    def memory(self) -> tuple[int, int]:
        """Return total and free bytes; zeros where they cannot be told."""
        if not self._opened:
            self._opened = True
            self._device = self._open()
        if self._device is None:
            return 0, 0
        found = _Memory()
        failed = self._library.nvmlDeviceGetMemoryInfo(self._device, ctypes.byref(found))
        return (0, 0) if failed else (int(found.total), int(found.free))

    def _open(self) -> ctypes.c_void_p | None:
        try:
            self._library = self._library or ctypes.CDLL(_LIBRARY)
        except OSError as error:
            _log.warning("the GPU's memory cannot be read: %s", error)
            return None
        device = ctypes.c_void_p()
        if self._library.nvmlInit_v2() != _OK or self._find(device) != _OK:
            _log.warning("the GPU's memory cannot be read: its management library refuses")
            return None
        return device

    def _find(self, device: ctypes.c_void_p) -> int:
        first = self._visible.split(",")[0].strip()
        if first and not first.isdigit():
            return int(self._library.nvmlDeviceGetHandleByUUID(first.encode(), ctypes.byref(device)))
        number = ctypes.c_uint(int(first or 0))
        return int(self._library.nvmlDeviceGetHandleByIndex_v2(number, ctypes.byref(device)))
