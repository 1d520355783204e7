from __future__ import annotations

from omlx_daemon.coldstore.seen import Seen


def test_only_the_second_meeting_counts() -> None:
    seen = Seen()
    assert [seen.again(digest) for digest in (b"a", b"b", b"a", b"a")] == [False, False, True, True]


def test_the_memory_is_bounded_and_forgets_the_oldest() -> None:
    seen = Seen(capacity=2)
    for digest in (b"a", b"b", b"a", b"c"):
        seen.again(digest)
    assert len(seen) == 2
    assert seen.again(b"a")
    assert not seen.again(b"b")
