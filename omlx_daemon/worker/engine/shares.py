"""How many tokens were computed for each client, so that those who had fewer can go first."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Collection

_MAX_KNOWN = 1024


class Shares:
    """Tokens by client. Who comes back begins where the others stand, and all begin anew when nobody is left."""

    def __init__(self) -> None:
        self._used: OrderedDict[str, float] = OrderedDict()

    def enter(self, client: str, present: Collection[str]) -> None:
        """Note that a client has something to do beside those `present`."""
        if not present:
            self._used.clear()
        least = min((self.used(other) for other in present), default=0.0)
        self._used[client] = max(self.used(client), least)
        self._used.move_to_end(client)
        if len(self._used) > _MAX_KNOWN:
            self._used.popitem(last=False)

    def charge(self, client: str, tokens: int) -> None:
        """Note that tokens were computed for a client."""
        self._used[client] = self.used(client) + tokens

    def used(self, client: str) -> float:
        """Return the tokens of a client."""
        return self._used.get(client, 0.0)
