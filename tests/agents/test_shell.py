"""The lines that `omlx env` prints, read by real shells."""

from __future__ import annotations

import json
import shutil
import subprocess
from pathlib import Path

import pytest

from omlx_cli import agents
from omlx_cli.agents.agent import Launch, Target
from omlx_cli.agents.launching import environment_of
from omlx_cli.agents.shell import Shell, lines

TARGET = Target(base_url="http://127.0.0.1:8000", model='it\'s a \\ "model" $HOME `x`', key="k y", context_tokens=4096)
SHELLS: list[tuple[str, Shell]] = [("bash", "posix"), ("zsh", "posix"), ("sh", "posix"), ("fish", "fish")]
PROBE = '#!/bin/sh\nenv -0 > "$PROBE.env"\nfor word; do printf "%s\\0" "$word"; done > "$PROBE.args"\n'


@pytest.mark.parametrize(("program", "syntax"), SHELLS)
@pytest.mark.parametrize("name", agents.AGENTS)
def test_shells_pass_on_exactly_what_a_launch_would(program: str, syntax: Shell, name: str, tmp_path: Path) -> None:
    path = shutil.which(program)
    if path is None:
        pytest.skip(f"there is no {program} on this machine")
    launch = agents.named(name).launch(TARGET)
    probe = tmp_path / "bin" / agents.named(name).program
    probe.parent.mkdir()
    probe.write_text(PROBE)
    probe.chmod(0o755)
    cleared = dict.fromkeys(launch.cleared, "secret")
    environ = {
        "PATH": f"{probe.parent}:/usr/bin:/bin",
        "HOME": str(tmp_path),
        "PROBE": str(tmp_path / "probe"),
        **cleared,
    }
    script = tmp_path / "script"
    script.write_text("\n".join([*lines(probe.name, launch, syntax), f"{probe.name} last", ""]))
    options = ["-O", "expand_aliases"] if program == "bash" else []
    subprocess.run([path, *options, str(script)], env=environ, check=True, timeout=60, capture_output=True)
    seen = dict(part.split("=", 1) for part in (tmp_path / "probe.env").read_text().split("\0") if part)
    assert {key: seen.get(key) for key in launch.environment} == launch.environment
    assert not seen.keys() & cleared.keys()
    arguments = (tmp_path / "probe.args").read_text().split("\0")[:-1]
    assert arguments == [*launch.arguments, "last"]


def test_a_launch_clears_what_would_come_before_it() -> None:
    launch = Launch({"A": "1"}, cleared=("B",))
    assert environment_of(launch, {"A": "0", "B": "2", "C": "3"}) == {"A": "1", "C": "3"}


def test_opencode_reads_json() -> None:
    values = json.loads(agents.named("opencode").launch(TARGET).environment["OPENCODE_CONFIG_CONTENT"])
    assert values["provider"]["omlx"]["models"][TARGET.model]["limit"] == {"context": 4096, "output": 1024}
    assert values["model"] == f"omlx/{TARGET.model}"
