"""Every path under the omlx home, in one place."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from omlx_cli.contract import sockets

DIRECTORY_MODE = 0o700
FILE_MODE = 0o600


@dataclass(frozen=True, slots=True)
class Paths:
    """The layout of one omlx home."""

    home: Path

    @classmethod
    def default(cls) -> Paths:
        """Return the paths of `$OMLX_HOME`, else of `~/.omlx`."""
        return cls(Path(sockets.home()))

    @property
    def config(self) -> Path:
        """The user's `config.toml`."""
        return self.home / "config.toml"

    @property
    def state(self) -> Path:
        """Pins, TTL overrides and counters; written by the daemon alone."""
        return self.home / "state.json"

    @property
    def keys(self) -> Path:
        """Digests of the API keys that were handed out; written by `omlx key` alone."""
        return self.home / "keys.json"

    @property
    def models(self) -> Path:
        """Models that omlx imported itself."""
        return self.home / "models"

    @property
    def downloads(self) -> Path:
        """What a pull has begun to fetch, and its locks."""
        return self.home / "downloads"

    @property
    def cache(self) -> Path:
        """The cold tier's default place."""
        return self.home / "cache"

    @property
    def logs(self) -> Path:
        """Log files."""
        return self.home / "logs"

    @property
    def daemon_log(self) -> Path:
        """The daemon's rotating log."""
        return self.logs / "daemon.log"

    @property
    def boot_log(self) -> Path:
        """What a detached daemon prints outside its logger: crashes before logging is up."""
        return self.logs / "boot.log"

    @property
    def run(self) -> Path:
        """Locks, socket and the daemon's own description."""
        return self.home / "run"

    @property
    def socket(self) -> Path:
        """The control socket; in a short directory elsewhere when the home's path is too long for one."""
        return Path(sockets.socket_path(str(self.home)))

    @property
    def start_lock(self) -> Path:
        """Held by whoever starts the daemon."""
        return self.run / "start.lock"

    @property
    def daemon_lock(self) -> Path:
        """Held by the daemon for life."""
        return self.run / "daemon.lock"

    @property
    def daemon_info(self) -> Path:
        """The running daemon's description; information only."""
        return self.run / "daemon.json"

    @property
    def model_names(self) -> Path:
        """One model name a line, for shell completion."""
        return self.run / "models.txt"

    @property
    def loaded_names(self) -> Path:
        """The models in memory, one name a line, for shell completion."""
        return self.run / "loaded.txt"

    @property
    def shim(self) -> Path:
        """An `omlx` for the PATH, made by `omlx self install-shim`."""
        return self.home / "bin" / "omlx"

    @property
    def chat_history(self) -> Path:
        """Lines typed into the interactive chat."""
        return self.home / "chat_history"

    @property
    def dashboard(self) -> Path:
        """How the user likes `omlx top`; written by it alone."""
        return self.home / "top.json"

    def create(self) -> None:
        """Make the directories, readable by their owner alone. Raises OSError."""
        for directory in (self.home, self.models, self.logs, self.run, self.socket.parent):
            directory.mkdir(mode=DIRECTORY_MODE, parents=True, exist_ok=True)
