"""How many bytes of KV a sequence takes, by its length."""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass
from typing import NamedTuple

GROWTH_TOKENS = 256
"""Caches grow in steps of so many tokens."""


class Layers(NamedTuple):
    """Layers that keep the same tokens: what each token takes in all of them, and how many they keep at most."""

    token_bytes: int
    window_tokens: float = math.inf


@dataclass(frozen=True, slots=True)
class KvShape:
    """The KV of one row: what grows with it, and a state that it has at any length."""

    layers: tuple[Layers, ...] = ()
    state_bytes: int = 0

    def bytes_at(self, tokens: int) -> int:
        """Return the live bytes of a row with so many tokens."""
        return self.state_bytes + sum(int(size * min(tokens, window)) for size, window in self.layers)

    def held_at(self, tokens: int) -> int:
        """Return the bytes that a row of its own holds, with the room that it grows into."""
        return self.bytes_at(-(-tokens // GROWTH_TOKENS) * GROWTH_TOKENS)

    def tokens_within(self, size_bytes: int) -> int:
        """Return how many tokens a row may have that holds at most `size_bytes`; 0 where not even one step fits."""
        steps = 0
        if self.held_at(1 << 40) <= size_bytes:
            return 1 << 40
        reach = 1
        while self.held_at(reach * GROWTH_TOKENS) <= size_bytes:
            reach *= 2
        while reach:
            if self.held_at((steps + reach) * GROWTH_TOKENS) <= size_bytes:
                steps += reach
            reach //= 2
        return steps * GROWTH_TOKENS


def summed(layers: Iterable[Layers], state_bytes: int) -> KvShape:
    """Return the shape of a model with these layers, those with equal windows taken together."""
    sizes: dict[float, int] = {}
    for layer in layers:
        sizes[layer.window_tokens] = sizes.get(layer.window_tokens, 0) + layer.token_bytes
    return KvShape(tuple(Layers(size, window) for window, size in sorted(sizes.items())), state_bytes)
