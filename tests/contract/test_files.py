"""Whatever lies in a file's place, reading it ends."""

from __future__ import annotations

import os
import socket
from collections.abc import Callable
from pathlib import Path

import pytest

from omlx_cli.contract import files, keys, settings, storage
from omlx_cli.contract.errors import Code, OmlxError

READERS: list[Callable[[Path], object]] = [files.opened, files.read_bytes, files.read_text]


def test_files_are_read(tmp_path: Path) -> None:
    path = tmp_path / "file"
    path.write_bytes(b"\xef\xbb\xbfone\r\ntwo\n")
    assert files.read_bytes(path) == path.read_bytes()
    assert files.read_text(path, "utf-8-sig") == "one\ntwo\n"
    link = tmp_path / "link"
    link.symlink_to(path)
    with files.opened(link) as file:
        assert file.read(6) == b"\xef\xbb\xbfone"
    files.check(link)
    files.check_replaceable(link)


def test_nothing_is_an_empty_file(tmp_path: Path) -> None:
    link = tmp_path / "link"
    link.symlink_to(os.devnull)
    assert (files.read_bytes(link), files.read_text(link)) == (b"", "")
    files.check(link)
    with pytest.raises(OSError, match="whose place no file takes") as refusal:
        files.check_replaceable(link)
    assert "move that away" in storage.advice(refusal.value)


@pytest.mark.parametrize("read", [*READERS, files.check, files.check_replaceable])
def test_a_pipe_a_device_and_a_folder_are_errors(tmp_path: Path, read: Callable[[Path], object]) -> None:
    os.mkfifo(tmp_path / "pipe")
    (tmp_path / "device").symlink_to("/dev/zero")
    for name in ("pipe", "device"):
        with pytest.raises(OSError, match="it is a pipe, a socket or a device, and no file") as refusal:
            read(tmp_path / name)
        assert "move that away" in storage.advice(refusal.value)
    with pytest.raises(IsADirectoryError):
        read(tmp_path)


def test_a_socket_is_an_error(tmp_path: Path) -> None:
    with socket.socket(socket.AF_UNIX) as bound:
        bound.bind(str(tmp_path / "s"))
        with pytest.raises(OSError, match="and no file"):
            files.read_bytes(tmp_path / "s")


def test_a_file_that_is_missing_is_told_as_such(tmp_path: Path) -> None:
    for read in READERS:
        with pytest.raises(FileNotFoundError):
            read(tmp_path / "none")
    files.check(tmp_path / "none")
    files.check_replaceable(tmp_path / "none")


def test_settings_and_keys_name_the_pipe(tmp_path: Path) -> None:
    path = tmp_path / "config.toml"
    os.mkfifo(path)
    for read in (settings.load, keys.read):
        with pytest.raises(OmlxError) as refusal:
            read(path)
        assert refusal.value.code is Code.INVALID_CONFIG
        assert str(path) in str(refusal.value) and "it is a pipe" in str(refusal.value)
