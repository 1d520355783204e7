"""docs/agents.md lists the rules for prompts as they are."""

from __future__ import annotations

import re
from pathlib import Path

from omlx_cli.contract.prompt_rules import PROMPT_RULES

PAGE = (Path(__file__).parents[2] / "docs" / "agents.md").read_text()


def test_every_rule_for_prompts() -> None:
    section = PAGE.split("## Stable prompts")[1].split("##")[0]
    rows = re.findall(r"^\| `(\w+)` \| (yes|no) \| (.*) \|$", section, re.M)
    assert rows == [(rule.name, "yes" if rule.default else "no", rule.description) for rule in PROMPT_RULES]
