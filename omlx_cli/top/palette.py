"""The command palette's lists: the models that can be loaded, and the app's commands."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from functools import partial

from textual.command import CommandPalette, DiscoveryHit, Hit, Hits, Provider

from omlx_cli.contract.api import ModelInfo
from omlx_cli.contract.units import format_bytes
from omlx_cli.top.spans import clean


def loading(models: Iterable[ModelInfo], load: Callable[[str], object]) -> CommandPalette:
    """Return a palette of models to load."""
    found = [model for model in models if not model.problem and not model.loaded]

    class Models(Provider):
        """The models on disk that are not in memory."""

        async def discover(self) -> Hits:
            """Yield all."""
            for model in found:
                yield DiscoveryHit(clean(model.name), partial(load, model.name), help=_about(model))

        async def search(self, query: str) -> Hits:
            """Yield those that match."""
            matcher = self.matcher(query)
            for model in found:
                score = matcher.match(model.name)
                if score > 0:
                    yield Hit(
                        score, matcher.highlight(clean(model.name)), partial(load, model.name), help=_about(model)
                    )

    return CommandPalette(providers=[Models], placeholder="Which model shall be loaded?")


def _about(model: ModelInfo) -> str:
    parts = (format_bytes(model.size_bytes), clean(model.quantization), clean(model.architecture), clean(model.source))
    return " · ".join(part for part in parts if part)
