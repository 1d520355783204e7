"""Names for shell completion: a file of one name a line, written whole and only when the names change."""

from __future__ import annotations

import logging
import tempfile
from collections.abc import Iterable
from pathlib import Path

_log = logging.getLogger(__name__)


class NamesFile:
    """One such file. It is a convenience: what keeps it from being written is logged and no error."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._names: tuple[str, ...] | None = None

    def publish(self, names: Iterable[str]) -> None:
        """Have the file hold these names; nothing is written where it does."""
        wanted = tuple(names)
        try:
            if wanted == self._names and self._path.exists():
                return
            _replace(self._path, "".join(f"{name}\n" for name in wanted))
            self._names = wanted
        except (OSError, ValueError) as error:
            _log.debug("cannot write %s: %s", self._path, error)


def _replace(path: Path, text: str) -> None:
    """Write without waiting for the disk: after a power cut the daemon writes it anew."""
    with tempfile.NamedTemporaryFile(
        "w", dir=path.parent, prefix=f".{path.name}.", encoding="utf-8", delete=False
    ) as file:
        try:
            file.write(text)
            file.flush()
            Path(file.name).replace(path)
        except BaseException:
            Path(file.name).unlink(missing_ok=True)
            raise
