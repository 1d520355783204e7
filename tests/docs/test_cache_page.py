"""docs/cache.md names every verb, every figure and every option, and no others."""

from __future__ import annotations

import re
from pathlib import Path

import click

from omlx_cli.commands.cache import VERBS, command
from omlx_cli.commands.serve import command as serve
from omlx_cli.contract.api import DaemonInfo, Status
from omlx_cli.contract.cache import CacheMetrics
from omlx_cli.contract.misses import MissCause
from omlx_daemon.api.metrics import families

PAGE = (Path(__file__).parents[2] / "docs" / "cache.md").read_text()


def test_every_verb_and_its_options() -> None:
    context = click.Context(command)
    named = re.findall(r"omlx cache (\w+)[^`]*`", PAGE)
    assert set(VERBS) <= set(named)
    assert set(named) <= set(VERBS)
    for verb in VERBS:
        found = command.get_command(context, verb)
        assert found is not None
        options = {word for one in found.params for word in one.opts if word.startswith("--")} - {"--json", "--quiet"}
        rows = " ".join(re.findall(rf"`omlx cache {verb}[^`]*`", PAGE))
        assert all(option in rows for option in options), (verb, options)


def test_every_option_of_serve() -> None:
    options = {word for one in serve.params for word in one.opts if "cache" in word}
    assert options == set(re.findall(r"`(--[a-z-]*cache[a-z-]*)", PAGE.split("## Commands")[0]))


def test_every_figure() -> None:
    keys = set(CacheMetrics.__struct_fields__) - {"schema_version"}
    assert keys <= set(re.findall(r"`(\w+)`", PAGE))


def test_every_family() -> None:
    info = DaemonInfo(version="", pid=0, start_id="", prefix="", home="", socket="")
    names = {family.name for family in families(Status(daemon=info), CacheMetrics())}
    rows = {row for row in PAGE.splitlines() if row.startswith("| `omlx_")}
    assert {name for row in rows for name in re.findall(r"`(omlx_\w+)`", row)} == names


def test_every_cause_of_a_miss() -> None:
    rows = re.findall(r"^\| `([a-z-]+)` \| ", PAGE.split("## Misses")[1].split("## Figures")[0], re.M)
    assert rows == [cause.value for cause in MissCause if cause.is_miss]
