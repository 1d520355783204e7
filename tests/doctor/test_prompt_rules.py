"""The prompt rules in doctor's area of agents: all of them by name, with and without a daemon."""

from __future__ import annotations

from omlx_cli.contract import routes
from omlx_cli.contract.paths import Paths
from omlx_cli.contract.prompt_rules import PROMPT_RULES, RuleRow, RulesReply
from omlx_cli.diagnosis.check import Verdict
from tests.cli.stand_in import StandIn, reply
from tests.doctor.conftest import Look, only


def test_without_a_daemon_the_settings_are_told(look: Look, paths: Paths) -> None:
    paths.config.write_text('[prompts]\nwhitespace = false\n[models."m"]\nprompt_rules = ["clock"]\n')
    check = only(look("agents"), "prompt_rules")
    assert check.verdict is Verdict.OK
    assert check.found == "6 of 8 rules make prompts stable; off: clock, whitespace"
    assert [line.split()[0] for line in check.details] == [*(rule.name for rule in PROMPT_RULES), "m"]
    assert check.details[0] == f"attribution_header  on   {PROMPT_RULES[0].description}"
    assert check.details[2].startswith("clock               off  cuts the time of day")
    assert check.details[-1] == "m has its own: clock"


def test_a_daemon_tells_how_many_prompts_each_rule_changed(look: Look, daemon: StandIn) -> None:
    rows = (
        RuleRow(name="clock", description="cuts", on=False),
        RuleRow(name="tools_order", description="puts", applied=31),
    )
    daemon.says("GET", routes.RULES, reply(RulesReply(rules=rows, models={"m": ()})))
    check = only(look("agents"), "prompt_rules")
    assert check.found == "1 of 2 rules make prompts stable; off: clock"
    assert check.details == (
        "clock               off     0 changed  cuts",
        "tools_order         on     31 changed  puts",
        "m has its own: none",
    )


def test_a_daemon_that_knows_no_rules_leaves_the_settings(look: Look, daemon: StandIn) -> None:
    assert only(look("agents"), "prompt_rules").found.startswith("7 of 8 rules")
