"""Answers without a model: random tokens that a grammar allows, and phrases now and then, as far as it allows them."""

from __future__ import annotations

from random import Random

from omlx_daemon.worker.backend.grammar.follower import Follower


def walk(follower: Follower, random: Random, phrases: list[list[int]], end: int, most: int = 6000) -> list[int]:
    """Return random tokens up to the end of the grammar, or to the token `end`, which is left out."""
    said: list[int] = []
    while not follower.complete:
        assert len(said) < most, "the walk does not end"
        allowed = set(follower.allowed().nonzero()[0].tolist())
        if end in allowed and random.random() < 0.5:
            break
        phrase = random.choice(phrases) if random.random() < 0.5 else [random.choice(sorted(allowed - {end}))]
        for token in phrase:
            if follower.complete or not follower.allowed()[token]:
                break
            follower.take(token)
            said.append(token)
    return said
