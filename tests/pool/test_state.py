"""`state.json`: what survives, what is tolerated."""

from __future__ import annotations

import asyncio
import json
import stat
from pathlib import Path

import pytest

from omlx_daemon.pool.state import StateStore


def test_pins_and_counters_survive(tmp_path: Path) -> None:
    path = tmp_path / "state.json"

    async def main() -> None:
        state = StateStore(path)
        await state.pin("b", True)
        await state.pin("a", True)
        await state.pin("b", True)
        state.count_request()
        state.count_request()
        await state.flush()

    asyncio.run(main())
    again = StateStore(path)
    assert again.pinned == ("a", "b")
    assert again.requests_total == 2
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert sorted(file.name for file in tmp_path.iterdir()) == ["state.json", "state.json.bak"]


def test_unknown_content_is_kept(tmp_path: Path) -> None:
    path = tmp_path / "state.json"
    path.write_text(json.dumps({"version": 9, "future": {"x": [1]}, "pinned": ["a", 7], "requests_total": "many"}))

    async def main() -> None:
        state = StateStore(path)
        assert state.pinned == ("a",)
        assert state.requests_total == 0
        await state.pin("a", False)

    asyncio.run(main())
    assert json.loads(path.read_text()) == {"version": 9, "future": {"x": [1]}, "pinned": [], "requests_total": "many"}


@pytest.mark.parametrize("content", [b"", b"{", b"\xff\xfe", b"[1]", b"null"])
def test_an_unreadable_file_is_set_aside(tmp_path: Path, content: bytes, caplog: pytest.LogCaptureFixture) -> None:
    path = tmp_path / "state.json"
    path.write_bytes(content)
    state = StateStore(path)
    assert state.pinned == ()
    assert (tmp_path / "state.json.bad").read_bytes() == content
    assert "state.json.bad" in caplog.text
    asyncio.run(state.pin("a", True))
    assert StateStore(path).pinned == ("a",)


def test_a_failed_write_leaves_the_old_file(tmp_path: Path) -> None:
    path = tmp_path / "gone" / "state.json"
    state = StateStore(path)
    with pytest.raises(OSError, match="gone"):
        asyncio.run(state.pin("a", True))
