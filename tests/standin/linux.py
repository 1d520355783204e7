"""A Linux desktop, as far as the user's systemd goes."""

from __future__ import annotations

from pathlib import Path

from tests.standin.machine import Machine


class Linux(Machine):
    """Its user has no units yet; the runtime folder is there, as after a login."""

    def __init__(self, folder: Path) -> None:
        self.runtime = folder / "runtime"
        (self.runtime / "systemd").mkdir(parents=True)
        (self.runtime / "systemd" / "private").write_text("")
        self.units = folder / "user" / ".config" / "systemd" / "user"
        variables = {"XDG_RUNTIME_DIR": str(self.runtime), "XDG_CONFIG_HOME": str(folder / "user" / ".config")}
        super().__init__(folder, "systemctl", "tests.standin.systemd", (), variables)

    def unit(self, name: str = "omlx.service") -> str:
        """Return a unit file's text."""
        return (self.units / name).read_text()

    def show(self, name: str, key: str) -> str:
        """Return one property of a unit."""
        return self.manager("--user", "show", f"--property={key}", name).stdout.strip().partition("=")[2]
