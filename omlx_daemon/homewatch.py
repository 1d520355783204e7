"""Puts right what somebody deletes of the home under a running daemon."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable
from socket import socket

from omlx_cli.contract import storage
from omlx_cli.contract.errors import Code, OmlxError
from omlx_cli.contract.paths import DIRECTORY_MODE, FILE_MODE
from omlx_daemon.home import Description, Home, identity
from omlx_daemon.listeners import listen_unix

PAUSE_S = 1.0
PATIENCE = 3
"""How often in a row the home must be gone to be believed gone: somebody may be moving it."""

_log = logging.getLogger(__name__)


class HomeWatch:
    """Makes the run directory, the lock, the description and the control socket anew where they were deleted.

    What was missing in the log is told there as soon as it takes something again.

    `admit` takes a new control socket in the place of the old one; `leave` ends the daemon, which is called where
    the home itself is gone or another daemon has taken it over. Begin it when the control socket listens.
    """

    def __init__(
        self,
        home: Home,
        description: Description,
        admit: Callable[[socket], Awaitable[None]],
        leave: Callable[[], None],
    ) -> None:
        self._home = home
        self._description = description
        self._admit = admit
        self._leave = leave
        self._socket = identity(home.paths.socket)
        self._gone = 0
        self.trouble = ""
        """What cannot be put right, or empty."""

    @property
    def troubles(self) -> tuple[str, ...]:
        """What is wrong with the home, for people."""
        return tuple(text for text in (self.trouble, self._description.trouble, self._home.log.trouble) if text)

    async def run(self) -> None:
        """Look once a second."""
        while True:
            await asyncio.sleep(PAUSE_S)
            await self.look()

    async def look(self) -> None:
        """Put right what is missing; what cannot be is told once, and tried again at the next look."""
        try:
            if await self._is_there() and not await asyncio.to_thread(self._restore):
                await self._listen()
            self.trouble = ""
        except OmlxError as error:
            self._note(str(error))
            if error.code is Code.ALREADY_RUNNING:
                self._leave()
        except OSError as error:
            self._note(f"cannot look after {error.filename or self._home.paths.home}: {storage.reason(error)}")

    async def _is_there(self) -> bool:
        if await asyncio.to_thread(self._home.lock.has_home):
            self._gone = 0
            return True
        self._gone += 1
        if self._gone == PATIENCE:
            _log.error("%s is gone, or another folder now: the daemon ends", self._home.paths.home)
            self._leave()
        return False

    def _restore(self) -> bool:
        """Restore all but the socket; return whether that is in its place. Raises OSError, OmlxError."""
        paths = self._home.paths
        self._home.log.try_again()
        for folder in dict.fromkeys((paths.run, paths.socket.parent)):
            folder.mkdir(mode=DIRECTORY_MODE, exist_ok=True)
            if folder.stat().st_mode & DIRECTORY_MODE != DIRECTORY_MODE:
                folder.chmod(DIRECTORY_MODE)
        self._home.lock.renew()
        self._description.keep()
        if self._socket is None or identity(paths.socket) != self._socket:
            return False
        if paths.socket.stat().st_mode & FILE_MODE != FILE_MODE:
            paths.socket.chmod(FILE_MODE)
        return True

    async def _listen(self) -> None:
        _log.warning("%s was deleted: it is made anew", self._home.paths.socket)
        await self._admit(listen_unix(self._home.paths.socket))
        self._socket = identity(self._home.paths.socket)

    def _note(self, trouble: str) -> None:
        if trouble != self.trouble:
            _log.warning("%s", trouble)
        self.trouble = trouble
