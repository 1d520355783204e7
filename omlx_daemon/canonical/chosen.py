"""Which rules are on, and how often each applied."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable

from omlx_cli.contract.errors import OmlxError
from omlx_cli.contract.prompt_rules import PROMPT_RULES, RulesReply, rows
from omlx_cli.contract.settings import Settings
from omlx_daemon.core.models import ModelSpec
from omlx_daemon.core.options import Options


class ChosenRules:
    """Implements `core.ports.Rules`. Event loop only."""

    def __init__(self, current: Callable[[], Settings], options: Options, resolve: Callable[[str], ModelSpec]) -> None:
        """Go by the settings that `current` returns and by those of single models, which `resolve` finds."""
        self._current = current
        self._options = options
        self._resolve = resolve
        self._applied = Counter[str]()

    def of(self, model: str) -> frozenset[str]:
        """Return the rules that are on for a model, by any of its names."""
        if not self._options.prompt_rules():
            return self._of_all()
        try:
            own = self._options.of(self._resolve(model)).prompt_rules
        except OmlxError:
            own = None
        return self._of_all() if own is None else frozenset(own)

    def applied(self, names: Iterable[str]) -> None:
        """Count rules that changed a prompt."""
        self._applied.update(names)

    def counts(self) -> dict[str, int]:
        """Return how many prompts each rule has changed."""
        return {rule.name: self._applied[rule.name] for rule in PROMPT_RULES}

    def rules(self) -> RulesReply:
        """Return every rule, whether it is on, and how often it applied; never waits."""
        return RulesReply(rules=rows(self._of_all(), self._applied), models=self._options.prompt_rules())

    def _of_all(self) -> frozenset[str]:
        return self._current().prompts.names
