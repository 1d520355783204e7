"""What a worker would find on this machine, for people who ask why it is slow."""

from __future__ import annotations

from importlib.metadata import PackageNotFoundError, version

from omlx_daemon.worker.backend.blas import load


def probe() -> dict[str, str]:
    """Return backend, device, BLAS and versions; loads BLAS and mlx into this process, and has them compute.

    Raises RuntimeError where the device is there and does not compute.
    """
    blas = load()
    from omlx_daemon.worker.backend import device

    device.try_out()
    return {
        "backend": device.backend(),
        "device": device.name(),
        "blas": blas.name if device.backend() == "cpu" else "",
        "blas_path": blas.path,
        "blas_problem": blas.problem,
        "mlx": _version("mlx"),
        "mlx_lm": _version("mlx-lm"),
    }


def _version(package: str) -> str:
    try:
        return version(package)
    except PackageNotFoundError:
        return ""
