from __future__ import annotations

import json
from pathlib import Path

import pytest

from omlx_daemon.coldstore.documents import read_document, write_document
from omlx_daemon.coldstore.layout import Layout, read_namespace
from tests.coldstore.blocks import FINGERPRINT, namespace, store


def test_everything_belongs_to_its_owner_alone(tmp_path: Path) -> None:
    layout = Layout(tmp_path / "cache")
    store(namespace(layout.root), 1)
    modes = {path.is_dir(): path.stat().st_mode & 0o777 for path in layout.root.rglob("*")}
    assert modes == {True: 0o700, False: 0o600}
    assert layout.root.stat().st_mode & 0o777 == 0o700
    assert layout.tag.read_text().startswith("Signature: 8a477f597d28d172789f06886806bc55")


def test_a_namespace_says_whose_it_is(tmp_path: Path) -> None:
    directory = namespace(tmp_path)
    info = read_namespace(directory)
    assert (info.model, dict(info.details)) == ("tiny", {"kv": "F32"})
    assert info.created.endswith("+00:00")
    assert Layout(tmp_path).create_namespace(FINGERPRINT, "other", {}) == directory
    assert read_namespace(directory).model == "tiny"


@pytest.mark.parametrize("fingerprint", ["", "..", "../../etc", "AB" * 8, "ab/cd" * 4, "ab" * 65, "ab" * 8 + "\n"])
def test_no_fingerprint_leads_outside(tmp_path: Path, fingerprint: str) -> None:
    with pytest.raises(ValueError, match="not a fingerprint"):
        Layout(tmp_path).namespace(fingerprint)


def test_the_formats_directory_may_not_lead_elsewhere(tmp_path: Path) -> None:
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "cache").mkdir()
    (tmp_path / "cache" / "kv-v1").symlink_to(tmp_path / "elsewhere")
    with pytest.raises(OSError, match="symbolic link"):
        Layout(tmp_path / "cache").create()


@pytest.mark.parametrize("text", ["", "[]", "{", "[" * 100_000, "\udcff"])
def test_a_document_that_cannot_be_read_is_empty(tmp_path: Path, text: str) -> None:
    path = tmp_path / "namespace.json"
    path.write_text(text, errors="surrogateescape")
    assert read_document(path) == {}
    assert read_namespace(tmp_path).model == ""


def test_a_document_behind_a_link_is_not_read(tmp_path: Path) -> None:
    (tmp_path / "real.json").write_text('{"model": "secret"}')
    (tmp_path / "namespace.json").symlink_to(tmp_path / "real.json")
    assert read_namespace(tmp_path).model == ""


def test_a_document_is_replaced_whole_and_leaves_no_temporary(tmp_path: Path) -> None:
    path = tmp_path / "pins.json"
    write_document(path, {"a": 1})
    with pytest.raises(TypeError):
        write_document(path, {"a": object()})
    assert json.loads(path.read_text()) == {"a": 1}
    assert [entry.name for entry in tmp_path.iterdir()] == ["pins.json"]
