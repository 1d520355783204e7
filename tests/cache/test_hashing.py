from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from omlx_daemon.worker.cache.hashing import Chain, Image, common_tokens, digest_of, packed, root

TOKENS = [n * 7 % 911 for n in range(600)]


def test_a_block_hash_commits_to_model_salt_and_every_token_before() -> None:
    base = Chain(root("model"), TOKENS)
    assert Chain(root("model"), TOKENS).hash_of(1) == base.hash_of(1)
    others = [
        Chain(root("other model"), TOKENS),
        Chain(root("model", digest_of("tenant")), TOKENS),
        Chain(root("model"), [1, *TOKENS[1:]]),
        Chain(root("model"), TOKENS, [Image(3, b"picture")]),
    ]
    assert len({chain.hash_of(1) for chain in (base, *others)}) == 5


def test_the_boundary_between_fingerprint_and_salt_is_part_of_the_root() -> None:
    assert root("ab", "c") != root("a", "bc")
    assert digest_of("") == ""
    assert digest_of("tenant") != digest_of(digest_of("tenant"))


def test_a_chain_grown_bit_by_bit_equals_one_made_at_once() -> None:
    grown = Chain(root("m"), TOKENS[:10])
    for start in range(10, 600, 59):
        grown.extend(TOKENS[start : start + 59])
    whole = Chain(root("m"), TOKENS)
    assert [grown.hash_of(block) for block in range(2)] == [whole.hash_of(block) for block in range(2)]
    assert grown.ending_at(600) == whole.ending_at(600)


def test_a_tail_has_a_hash_of_its_own() -> None:
    chain = Chain(root("m"), TOKENS)
    place = chain.ending_at(300)
    assert (place.start, place.tokens, place.end) == (256, 44, 300)
    assert place.parent == chain.hash_of(0)
    assert len({chain.ending_at(end).hash for end in range(1, 601)}) == 600


def test_an_image_marks_its_own_block_and_all_that_follow() -> None:
    plain, pictured = Chain(root("m"), TOKENS), Chain(root("m"), TOKENS, [Image(256, b"cat")])
    assert plain.hash_of(0) == pictured.hash_of(0)
    assert plain.hash_of(1) != pictured.hash_of(1)
    assert Chain(root("m"), TOKENS, [Image(256, b"dog")]).hash_of(1) != pictured.hash_of(1)
    assert not pictured.opaque(0)
    assert pictured.opaque(1)


@pytest.mark.parametrize("token", [-1, 1 << 32, "a"])
def test_what_is_no_token_id_is_refused(token: object) -> None:
    with pytest.raises(ValueError, match="token id"):
        Chain(root("m"), [token])  # type: ignore[list-item]


@given(st.lists(st.integers(0, 3), max_size=40), st.lists(st.integers(0, 3), max_size=40))
def test_common_tokens_counts_the_shared_start(one: list[int], other: list[int]) -> None:
    expected = next((n for n, (a, b) in enumerate(zip(one, other, strict=False)) if a != b), min(len(one), len(other)))
    assert common_tokens(packed(one), packed(other)) == expected


@given(st.integers(0, 600), st.integers(0, 600))
def test_shared_blocks_is_the_number_of_equal_full_blocks(length: int, differs: int) -> None:
    other = [*TOKENS[:differs], *(token + 1 for token in TOKENS[differs:])][:length]
    shared = Chain(root("m"), TOKENS).shared_blocks(Chain(root("m"), other))
    assert shared == min(length, differs, len(TOKENS)) // 256
