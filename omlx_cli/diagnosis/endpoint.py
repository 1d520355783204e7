"""Where a client sends its requests, told without its secrets, and whether that is this daemon."""

from __future__ import annotations

import ipaddress
from typing import NamedTuple
from urllib.parse import urlsplit

_PORTS = {"http": 80, "https": 443}


class Endpoint(NamedTuple):
    """A base URL taken apart; user, password and query are left out, since keys stand there at times."""

    scheme: str
    host: str
    port: int
    path: str

    def __str__(self) -> str:
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"{self.scheme}://{host}:{self.port}{self.path}"

    @property
    def is_local(self) -> bool:
        """Whether it is on this machine."""
        try:
            address = ipaddress.ip_address(self.host)
        except ValueError:
            return self.host == "localhost" or self.host.endswith(".localhost")
        return address.is_loopback or address.is_unspecified


def parse(url: str) -> Endpoint | None:
    """Return the endpoint that `url` names; None where it is no base URL."""
    try:
        parts = urlsplit(url.strip())
        port = parts.port or _PORTS[parts.scheme]
    except (ValueError, KeyError):
        return None
    return Endpoint(parts.scheme, parts.hostname, port, parts.path.rstrip("/")) if parts.hostname else None
