"""Tokens to text, and stop strings wherever the text is cut."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from omlx_daemon.core.events import Text
from omlx_daemon.worker.engine.answer import Answer, Piece
from omlx_daemon.worker.engine.detokenize import ByteDetokenizer, Detokenizer, WindowDetokenizer
from omlx_daemon.worker.engine.ports import Scores
from omlx_daemon.worker.engine.stops import StopText

SENTENCE = "Grüße, 世界! 🦊🦊 naïve — done.\n"
LETTERS = st.text(alphabet="abé🦊", max_size=12)


class Pieces:
    """A vocabulary of given byte strings; token n is the n-th."""

    def __init__(self, pieces: Sequence[bytes]) -> None:
        self._pieces = pieces

    def detokenizer(self) -> Detokenizer:
        return ByteDetokenizer(self.bytes_of)

    def bytes_of(self, token: int) -> bytes:
        return self._pieces[token]


def answer(pieces: Sequence[bytes], stops: tuple[str, ...]) -> tuple[str, str, list[int]]:
    """Return the text, the stop that ended it and the tokens given, for tokens 0, 1, 2, ..."""
    made, events = Answer(Pieces(pieces), stops), list[Piece]()
    for token in range(len(pieces)):
        events += made.add(token, Scores(-1.0))
        if made.ended:
            break
    events += made.end()
    text = "".join(event.text for event in events if isinstance(event, Text))
    return text, made.stop_text, [token for event in events for token in event.token_ids]


@pytest.mark.parametrize("cut", range(1, len(SENTENCE.encode())))
def test_a_stop_string_is_found_at_every_split(cut: int) -> None:
    raw = SENTENCE.encode()
    text, stop, _ = answer([raw[:cut], raw[cut:]], ("🦊 naïve", "never"))
    assert (text, stop) == ("Grüße, 世界! 🦊", "🦊 naïve")


@given(text=LETTERS, stops=st.lists(LETTERS, max_size=3), cuts=st.lists(st.integers(0, 12), max_size=6))
def test_how_the_text_is_cut_makes_no_difference(text: str, stops: list[str], cuts: list[int]) -> None:
    edges = sorted({0, len(text), *(cut for cut in cuts if cut < len(text))})
    whole, cut = StopText(tuple(stops)), StopText(tuple(stops))
    once = whole.feed(text)
    expected = (once.text + ("" if once.stop else whole.flush()), once.stop)
    got, stop = "", ""
    for start, end in pairwise(edges):
        passed = cut.feed(text[start:end])
        got, stop = got + passed.text, passed.stop
        if stop:
            break
    assert (got + ("" if stop else cut.flush()), stop) == expected


@given(
    text=st.text(alphabet="ab", max_size=14), stops=st.lists(st.text(alphabet="ab", min_size=1, max_size=4), max_size=3)
)
def test_the_text_ends_where_the_first_stop_is_completed(text: str, stops: list[str]) -> None:
    watch = StopText(tuple(stops))
    passed = watch.feed(text)
    ends = [end for end in range(len(text) + 1) if any(text[:end].endswith(stop) for stop in stops)]
    if not ends:
        assert (passed.text + watch.flush(), passed.stop) == (text, "")
    else:
        longest = max((stop for stop in stops if text[: ends[0]].endswith(stop)), key=len)
        assert (passed.text, passed.stop) == (text[: ends[0] - len(longest)], longest)


def test_nothing_is_held_that_cannot_become_a_stop() -> None:
    watch = StopText(("\n\nUser:",))
    assert watch.feed("Hello").text == "Hello"
    assert watch.feed("\n").text == ""
    assert watch.feed("x").text == "\nx"


def test_tokens_travel_with_their_text_and_those_of_the_stop_are_not_given() -> None:
    text, stop, tokens = answer([b"He", b"llo", b" st", b"op", b"!"], (" stop",))
    assert (text, stop, tokens) == ("Hello", " stop", [0, 1])


def test_a_token_that_reaches_into_the_stop_is_given() -> None:
    assert answer([b"ab", b"c##", b"#d"], ("###",)) == ("abc", "###", [0, 1])


def test_what_was_held_is_given_at_the_end() -> None:
    assert answer([b"a", b"#", b"#"], ("###",)) == ("a##", "", [0, 1, 2])


def test_a_stop_that_the_last_bytes_complete_is_found() -> None:
    assert answer([b"a", b"\xe4\xb8"], ("\ufffd",)) == ("a", "\ufffd", [0, 1])


@given(st.lists(st.binary(max_size=4), max_size=12))
def test_bytes_in_any_pieces_equal_the_bytes_decoded_at_once(pieces: list[bytes]) -> None:
    text, _, tokens = answer(pieces, ())
    assert text == b"".join(pieces).decode("utf-8", "replace")
    assert tokens == list(range(len(pieces)))


def test_half_a_character_is_held_back() -> None:
    detokenizer = ByteDetokenizer(Pieces([b"\xf0\x9f", b"\xa6", b"\x8a!"]).bytes_of)
    assert [detokenizer.add(token) for token in range(3)] == ["", "", "🦊!"]


class SpacedWords:
    """Decodes as sentence pieces do: the first word of a text loses its space, bytes join to characters."""

    def __init__(self, pieces: Sequence[bytes]) -> None:
        self._pieces = pieces

    def __call__(self, tokens: Sequence[int]) -> str:
        return b"".join(self._pieces[token] for token in tokens).decode("utf-8", "replace").removeprefix(" ")


@given(st.lists(st.sampled_from([" a", " b", "c", " ", "é", "🦊", "\n"]), max_size=12), st.data())
def test_a_window_gives_what_decoding_at_once_gives(words: list[str], data: st.DataObject) -> None:
    pieces = []
    for word in words:
        raw = word.encode()
        cut = data.draw(st.integers(0, len(raw)))
        pieces += [part for part in (raw[:cut], raw[cut:]) if part]
    decode = SpacedWords(pieces)
    detokenizer = WindowDetokenizer(decode)
    got = "".join(detokenizer.add(token) for token in range(len(pieces))) + detokenizer.flush()
    assert got == decode(range(len(pieces)))
