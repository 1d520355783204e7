from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from omlx_daemon.coldstore.names import BlockName, Part, is_block, parse

NAMES = st.builds(
    BlockName,
    st.binary(min_size=32, max_size=32),
    st.sampled_from([8, 32]).flatmap(lambda size: st.binary(min_size=size, max_size=size)),
    st.integers(1, 256),
    st.sampled_from(Part),
    st.integers(0, 10**8 - 1),
)
GOOD = f"{'ab' * 32}-0123456789abcdef-256.t.safetensors"


@given(NAMES)
def test_a_name_survives_its_spelling(name: BlockName) -> None:
    parsed = parse(name.filename)
    assert parsed == name
    assert parsed is not None
    assert parsed.filename == name.filename
    assert parsed.parent == name.parent[:8]


@given(st.text(max_size=120))
def test_no_other_text_is_a_name(text: str) -> None:
    assert parse(text) is None
    assert not is_block(text)


def test_a_window_part_spells_its_rows() -> None:
    name = BlockName(b"\xab" * 32, bytes(32), 100, Part.WINDOW, 128)
    assert name.filename == f"{'ab' * 32}-{'0' * 16}-100.w128.safetensors"
    assert name.fan == "ab"


@pytest.mark.parametrize(
    "text",
    [
        GOOD.upper(),
        GOOD.replace("-256", "-0"),
        GOOD.replace("-256", "-257"),
        GOOD.replace("-256", "-0256"),
        GOOD.replace(".t.", ".x."),
        GOOD.replace(".t.", ".t0."),
        GOOD.replace("ab-", "-"),
        GOOD + "\n",
        f"../{GOOD}",
        "٣" + GOOD[1:],
    ],
)
def test_a_name_that_is_spelt_otherwise_is_foreign(text: str) -> None:
    assert parse(GOOD) is not None
    assert parse(text) is None


@pytest.mark.parametrize("size", [0, 8, 31, 33])
def test_a_hash_of_another_length_is_refused(size: int) -> None:
    with pytest.raises(ValueError, match="32 bytes"):
        BlockName(bytes(size), bytes(32), 256, Part.TOKENS)


@pytest.mark.parametrize("tokens", [-1, 0, 257])
def test_a_token_count_outside_a_block_is_refused(tokens: int) -> None:
    with pytest.raises(ValueError, match="1 to 256"):
        BlockName(bytes(32), bytes(32), tokens, Part.TOKENS)
