"""The rules by which the daemon makes agents' prompts stable: which are on, and how often each changed one."""

from __future__ import annotations

from collections.abc import Iterator

from omlx_cli.contract import routes
from omlx_cli.contract.prompt_rules import PROMPT_RULES, RuleRow, RulesReply, rows
from omlx_cli.contract.settings import Settings
from omlx_cli.diagnosis.check import Check, ok
from omlx_cli.diagnosis.subject import Subject

_NAME_WIDTH = max(len(rule.name) for rule in PROMPT_RULES)


def check(subject: Subject) -> Check:
    """Return all rules, by name: as the daemon applies them, or as it would by the settings."""
    reply = subject.ask(routes.RULES, RulesReply)
    return of_rules(reply or by_settings(subject.settings), counted=reply is not None)


def of_rules(reply: RulesReply, counted: bool) -> Check:
    """Return what to say of the rules; `counted` where a daemon has counted the prompts that each changed."""
    off = ", ".join(rule.name for rule in reply.rules if not rule.on)
    found = f"{sum(rule.on for rule in reply.rules)} of {len(reply.rules)} rules make prompts stable"
    lines = [*(_line(rule, counted) for rule in reply.rules), *_models(reply)]
    return ok("prompt_rules", f"{found}; off: {off}" if off else found, *lines)


def by_settings(settings: Settings) -> RulesReply:
    """Return the rules as a daemon would apply them that starts now."""
    chosen = {name: options.prompt_rules for name, options in settings.models.items()}
    own = {name: rules for name, rules in chosen.items() if rules is not None}
    return RulesReply(rules=rows(settings.prompts.names), models=own)


def _line(rule: RuleRow, counted: bool) -> str:
    changed = f"  {f'{rule.applied} changed':>12}" if counted else ""
    return f"{rule.name:{_NAME_WIDTH}}  {'on ' if rule.on else 'off'}{changed}  {rule.description}"


def _models(reply: RulesReply) -> Iterator[str]:
    for name, rules in reply.models.items():
        yield f"{name} has its own: {', '.join(rules) or 'none'}"
