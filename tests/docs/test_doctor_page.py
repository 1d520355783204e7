"""docs/doctor.md names every area of doctor and every option of logs."""

from __future__ import annotations

import re
from pathlib import Path

import click

from omlx_cli.commands.logs import command
from omlx_cli.diagnosis import backend, versions
from omlx_cli.diagnosis.areas import AREAS
from omlx_cli.diagnosis.cache import SAMPLE_BLOCKS
from omlx_cli.diagnosis.speed import MAX_BYTES, MAX_S
from omlx_cli.diagnosis.subject import SERVICE_S
from omlx_cli.diagnosis.waiting import SILENCE_S

TEXT = (Path(__file__).parents[2] / "docs" / "doctor.md").read_text()


def test_every_area_has_a_row_in_order() -> None:
    assert re.findall(r"^\| `([a-z]+)` \|", TEXT, re.MULTILINE) == list(AREAS)


def test_every_option_of_logs_has_a_row() -> None:
    rows = re.findall(r"^\| `(-[^` ]+)", TEXT, re.MULTILINE)
    options = [option for option in command.params if isinstance(option, click.Option)]
    assert [option.name for option in options if not set(option.opts) & {*rows, "--quiet"}] == []


def test_figures_are_those_of_the_code() -> None:
    assert f"The measured write is {MAX_BYTES >> 20} MiB at most and takes {MAX_S:.0f} seconds at most" in TEXT
    assert f"the checksums of {SAMPLE_BLOCKS} blocks at random" in TEXT
    waits = f"(pip {versions.WAITS_S:.0f} seconds, MLX {backend.WAITS_S:.0f}, a service manager\n{SERVICE_S:.0f}, the"
    assert f"says nothing for {SILENCE_S:.0f} seconds, beside what it waits for by itself {waits}" in TEXT
