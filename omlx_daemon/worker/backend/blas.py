"""Finds a fast BLAS and loads it before mlx, whose Linux CPU build carries a slow one. Never imports mlx."""

from __future__ import annotations

import ctypes
import os
import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

VARIABLE = "OMLX_BLAS"
"""A library's path or name, or `none` for the BLAS that mlx carries."""
_NAMES = ("libopenblas.so.0", "libopenblas.so", "libopenblasp.so.0", "libopenblaso.so.0")
_FOLDERS = ("/usr/lib64", "/usr/local/lib", "/usr/local/lib64", "/opt/OpenBLAS/lib", "/opt/openblas/lib")
_PATTERNS = ("/usr/lib/*-linux-gnu/libopenblas.so.0", "/usr/lib/*-linux-gnu/openblas-*/libopenblas.so.0")


@dataclass(frozen=True, slots=True)
class Blas:
    """The BLAS that mlx computes with on a CPU. `problem` says why a wished one is not in use."""

    name: str
    path: str = ""
    problem: str = ""


_OWN = Blas("reference")
_MAC = Blas("Accelerate")


def load(environ: Mapping[str, str] = os.environ, system: str = sys.platform) -> Blas:
    """Load the best BLAS there is for every later library of this process; call it before mlx is imported."""
    if system == "darwin":
        return _MAC
    wish = environ.get(VARIABLE, "")
    if wish.lower() == "none":
        return _OWN
    if wish:
        return _open(wish) or Blas(_OWN.name, problem=f"{VARIABLE}={wish} is no BLAS library that can be loaded")
    return next((found for name in _candidates() if (found := _open(name))), _OWN)


def _candidates() -> Iterator[str]:
    yield from _NAMES
    for folder in (f"{sys.prefix}/lib", *_FOLDERS):
        yield from (f"{folder}/{name}" for name in _NAMES)
    for pattern in _PATTERNS:
        yield from (str(path) for path in sorted(Path("/").glob(pattern[1:])))


def _open(name: str) -> Blas | None:
    try:
        library = ctypes.CDLL(name, mode=ctypes.RTLD_GLOBAL)
    except OSError:
        return None
    if not hasattr(library, "cblas_sgemm"):
        return None
    return Blas(_version(library), _path(name))


def _version(library: ctypes.CDLL) -> str:
    """Return "OpenBLAS 0.3.21", or the bare kind where the library does not tell."""
    if not hasattr(library, "openblas_get_config"):
        return "BLAS"
    library.openblas_get_config.restype = ctypes.c_char_p
    words = library.openblas_get_config().decode("ascii", "replace").split()
    return " ".join(words[:2]) or "OpenBLAS"


def _path(name: str) -> str:
    """Return the file that `name` was loaded from, as the kernel lists it."""
    wanted = Path(name).resolve().name if "/" in name else Path(name).name.split(".so")[0]
    try:
        mapped = Path("/proc/self/maps").read_text().splitlines()
    except OSError:
        return name
    files = (line.split(maxsplit=5)[-1] for line in mapped if "/" in line)
    return next((file for file in files if Path(file).name.startswith(wanted)), name)
