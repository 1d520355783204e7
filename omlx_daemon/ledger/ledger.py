"""The ledger of one cache directory."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

from omlx_cli.contract.errors import Code, OmlxError
from omlx_daemon.core.clock import SteadyClock
from omlx_daemon.ledger.administration import Administration
from omlx_daemon.ledger.disk import Disk, StatVfs
from omlx_daemon.ledger.policy import Policy


class Ledger(Administration):
    """Thread-safe. Writers reserve and report, upkeep keeps the limits, administration looks and prunes."""

    @classmethod
    def open(
        cls,
        root: Path,
        policy: Policy,
        *,
        base: Path | None = None,
        clock: Callable[[], float] | None = None,
        statvfs: StatVfs = os.statvfs,
    ) -> Ledger:
        """Lock the cache directory, made where it is missing, and read its accounts from names and sizes.

        Removes nothing yet but temporaries of dead writers; `maintain` does. What it lies in is made too, below `base`
        where that is given: a directory above it, which must be there. `clock` gives seconds since the epoch and is
        steady where none is given. Raises OmlxError where another process holds the directory, or it cannot be used.
        """
        disk = Disk(root, statvfs, base)
        disk.open()
        try:
            ledger = cls(disk, policy, clock or SteadyClock())
            ledger._load()
        except OSError as error:
            disk.close()
            raise OmlxError(
                Code.CACHE_UNUSABLE, f"the cache directory {root} cannot be read: {error.strerror or error}"
            ) from error
        return ledger
