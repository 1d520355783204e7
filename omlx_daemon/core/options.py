"""The settings of single models, found by name or alias."""

from __future__ import annotations

from collections.abc import Mapping

from omlx_cli.contract.model_options import ModelOptions
from omlx_daemon.core.models import ModelSpec

_NONE = ModelOptions()


class Options:
    """Holds `[models."NAME"]`; replaced whole when the settings are read again, whatever thread reads meanwhile."""

    def __init__(self, models: Mapping[str, ModelOptions] | None = None) -> None:
        self.replace(models or {})

    def replace(self, models: Mapping[str, ModelOptions]) -> None:
        """Use these from now on, by names or aliases in any case."""
        self._models = dict(models)
        self._by_name = {name.lower(): (name, options) for name, options in models.items()}

    def of(self, spec: ModelSpec) -> ModelOptions:
        """Return a model's own settings."""
        return self._found(spec)[1]

    def key(self, spec: ModelSpec) -> str:
        """Return the name or alias under which a model's own settings stand, or would."""
        return self._found(spec)[0]

    def aliases(self) -> dict[str, tuple[str, ...]]:
        """Return the aliases that the settings give, by the names under which they stand."""
        return {name: options.aliases for name, options in self._models.items() if options.aliases}

    def prompt_rules(self) -> dict[str, tuple[str, ...]]:
        """Return the prompt rules of models that have their own, by the names under which they stand."""
        chosen = ((name, options.prompt_rules) for name, options in self._models.items())
        return {name: rules for name, rules in chosen if rules is not None}

    def pinned(self) -> tuple[str, ...]:
        """Return the names under which models are pinned by the settings, in their order."""
        return tuple(name for name, options in self._models.items() if options.pin)

    def _found(self, spec: ModelSpec) -> tuple[str, ModelOptions]:
        known = self._by_name
        names = (spec.name.lower(), *(alias.lower() for alias in spec.aliases))
        return next((known[name] for name in names if name in known), (spec.name, _NONE))
