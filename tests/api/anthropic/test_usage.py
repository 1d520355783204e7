"""Tokens as clients are told of them: Anthropic's sum, in the model's measure and in the client's."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec import UNSET

from omlx_cli.contract.misses import MissCause
from omlx_daemon.api.anthropic.usage import Scale, usage_reply
from omlx_daemon.api.reuse import Missed
from omlx_daemon.core.events import Miss, Usage

COUNTS = st.integers(min_value=0, max_value=2_000_000)


@st.composite
def usages(draw: st.DrawFn) -> Usage:
    parts = [draw(COUNTS) for _ in range(4)]
    hot, cold, stored, rest = parts
    return Usage(
        prompt_tokens=sum(parts) + 1,
        cached_hot_tokens=hot,
        cached_cold_tokens=cold,
        stored_tokens=stored,
        completion_tokens=rest,
    )


def test_unscaled_counts_are_the_true_ones() -> None:
    spent = Usage(
        prompt_tokens=1000, cached_hot_tokens=400, cached_cold_tokens=112, stored_tokens=487, completion_tokens=40
    )
    told = usage_reply(spent, Scale())
    assert (told.input_tokens, told.cache_read_input_tokens, told.cache_creation_input_tokens) == (1, 512, 487)
    assert told.cache_creation.ephemeral_5m_input_tokens == 487
    assert told.output_tokens == 40
    assert (told.omlx.input_tokens, told.omlx.output_tokens, told.omlx.stored_tokens) == (1000, 40, 487)


@given(usages(), st.integers(1, 2_000_000), st.integers(1, 2_000_000))
def test_the_three_kinds_of_input_are_the_prompt_in_any_measure(usage: Usage, window: int, context: int) -> None:
    scale = Scale(window, context)
    told = usage_reply(usage, scale)
    parts = (told.input_tokens, told.cache_read_input_tokens, told.cache_creation_input_tokens)
    assert min(parts) >= 0
    assert sum(parts) == scale.up(usage.prompt_tokens)
    assert (told.omlx.input_tokens, told.omlx.output_tokens) == (usage.prompt_tokens, usage.completion_tokens)


@given(st.integers(1, 2_000_000), st.integers(1, 2_000_000), st.integers(0, 2_000_000))
def test_a_full_context_is_a_full_window_and_no_token_is_told_as_none(window: int, context: int, tokens: int) -> None:
    scale = Scale(window, context)
    assert scale.up(context) == scale.down(context) == window
    assert scale.up(tokens) >= 1 or tokens == 0
    assert (scale.up(tokens) >= window) == (tokens * window > (window - 1) * context)


def test_a_miss_is_told_with_its_cause() -> None:
    missed = Usage(prompt_tokens=9, miss=Miss(cause=MissCause.COUNTER, at_tokens=4, avoidable_tokens=5))
    told = usage_reply(missed, Scale()).omlx.miss
    assert told == Missed(cause=MissCause.COUNTER, at_tokens=4, avoidable_tokens=5)
    assert usage_reply(Usage(prompt_tokens=9), Scale()).omlx.miss is UNSET


@pytest.mark.parametrize("scale", [Scale(), Scale(200_000, 0), Scale(0, 32_768)])
def test_what_is_not_known_scales_nothing(scale: Scale) -> None:
    assert (scale.up(7), scale.down(7)) == (7, 7)


def test_a_client_compacts_where_the_models_context_ends() -> None:
    """At five sixths of 200,000 told, five sixths of the 32,768 are used."""
    told = usage_reply(Usage(prompt_tokens=27_307, stored_tokens=27_306), Scale(200_000, 32_768))
    whole = told.input_tokens + told.cache_creation_input_tokens + told.cache_read_input_tokens
    assert 166_000 < whole < 167_000
