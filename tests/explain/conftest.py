"""A real daemon whose model's template shows all that a chat may hold."""

from __future__ import annotations

import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from omlx_cli.contract.paths import Paths
from tests.cachewire.driving import Client, until
from tests.e2e.conftest import make_home
from tests.explain.asking import Asking
from tests.worker.models import write_model

TEMPLATE = (
    "{% if tools %}<tools>{{ tools | tojson }}</tools>{% endif %}{% for m in messages %}<s>{{ m.role }}: "
    "{% if m.reasoning_content %}<think>{{ m.reasoning_content }}</think>{% endif %}{{ m.content }}</s>{% endfor %}"
    "{% if add_generation_prompt %}<s>assistant: {% endif %}"
)
SIZES = {"max_position_embeddings": 8192, "num_attention_heads": 8, "num_key_value_heads": 8}


@pytest.fixture(scope="session")
def talker_path(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a random model with such a template."""
    folder = write_model(tmp_path_factory.mktemp("talkers") / "tiny", sizes=SIZES)
    (folder / "chat_template.jinja").write_text(TEMPLATE)
    return folder


@pytest.fixture
def asking(tmp_path: Path, talker_path: Path) -> Iterator[Asking]:
    """Return a way to ask a home's daemon, which the test starts; it is stopped afterwards."""
    home = make_home(tmp_path, talker_path)
    yield Asking(Client(home, "tiny"))
    home.stop()


@pytest.fixture
def slow(asking: Asking) -> Iterator[Asking]:
    """Return the same with a daemon whose disk is slow."""
    path = asking.client.home.path
    command = [sys.executable, "-I", str(Path(__file__).with_name("slow_daemon.py")), "--home", str(path)]
    with (path.parent / "slow.log").open("w") as log:
        process = subprocess.Popen(command, env=asking.client.home.environment, stdout=log, stderr=log)
    until(lambda: Path(Paths(path).socket).exists())
    yield asking
    asking.client.home.stop()
    process.wait(timeout=60)


@pytest.fixture(scope="module")
def unruled(tmp_path_factory: pytest.TempPathFactory, talker_path: Path) -> Iterator[Asking]:
    """Return the same for a daemon that leaves prompts as they are; shared by tests whose conversations differ."""
    parent = tmp_path_factory.mktemp("unruled")
    home = make_home(parent, talker_path)
    with (home.path / "config.toml").open("a") as config:
        config.write('[models."tiny"]\nprompt_rules = []\n')
    asking = Asking(Client(home, "tiny"))
    asking.client.load()
    yield asking
    home.stop()
    shutil.rmtree(parent, ignore_errors=True)
