"""What a load is estimated to take, and which models make way for it."""

from __future__ import annotations

import os
from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from omlx_daemon.core.models import ModelSpec
from omlx_daemon.pool.accounts import Held
from omlx_daemon.pool.memory.costs import Cost, sentence
from omlx_daemon.pool.memory.system import KV_TOKENS, PROCESS_BYTES, SystemMemory, float32_growth
from omlx_daemon.pool.policy import Resident, Stays, victims

SPEC = ModelSpec(
    name="a", path="", source="omlx", weights_bytes=900, quantization="4-bit", context_tokens=100_000,
    kv_values_per_token=10, kv_values_fixed=3,
)  # fmt: skip
RESIDENTS = st.lists(
    st.builds(
        Resident, name=st.text(max_size=3), held=st.builds(Held, host_bytes=st.integers(0, 100)),
        last_used_s=st.floats(0, 9), stays=st.sampled_from(Stays),
    ),
    max_size=6, unique_by=lambda resident: resident.name,
)  # fmt: skip


@settings(deadline=None)
@given(RESIDENTS, st.integers(-50, 500))
def test_victims_are_the_fewest_oldest_or_none_at_all(residents: list[Resident], missing: int) -> None:
    chosen = victims(residents, lambda chosen: sum(one.held.host_bytes for one in chosen) >= missing)
    possible = sum(one.held.host_bytes for one in residents if not one.stays)
    if chosen is None:
        assert possible < missing
        return
    assert not any(one.stays for one in chosen)
    assert sum(one.held.host_bytes for one in chosen) >= missing
    assert sum(one.held.host_bytes for one in chosen[:-1]) < max(missing, 1)
    assert all(a.last_used_s <= b.last_used_s for a, b in pairwise(chosen))


@pytest.mark.parametrize(
    ("quantization", "growth"), [("4-bit", 32 / 4.5), ("q8_0", 32 / 8.5), ("bf16", 2.0), ("", 2.0), ("float32", 1.0)]
)
def test_growth_to_float32(quantization: str, growth: float) -> None:
    assert float32_growth(quantization) == pytest.approx(growth)


def test_an_estimate_is_a_sum_of_terms() -> None:
    found = SystemMemory("cpu").estimate(SPEC)
    kv_bytes = 4 * (10 * KV_TOKENS + 3)
    assert [(term.name, term.size_bytes) for term in found.least.terms] == [
        ("weights", 900), ("process", PROCESS_BYTES), ("kv", kv_bytes),
    ]  # fmt: skip
    assert found.least.total_bytes == found.least.host_bytes == 900 + PROCESS_BYTES + kv_bytes
    assert found.least.rest_bytes == 900 + PROCESS_BYTES
    assert found.best.terms[0].size_bytes == pytest.approx(900 * 1.15 * 32 / 4.5, abs=1)
    assert sentence(found.least.terms) == "weights 900 B + process 268 MB + kv 164 kB"


def test_nothing_is_widened_on_a_gpu_and_its_arrays_lie_in_its_own_memory() -> None:
    metal, cuda = SystemMemory("metal").estimate(SPEC), SystemMemory("cuda").estimate(SPEC)
    assert metal.best is metal.least
    assert metal.least.kv_bytes == 2 * (10 * KV_TOKENS + 3)
    assert metal.least.host_bytes == metal.least.total_bytes
    assert cuda.least.device_bytes == 900 + cuda.least.kv_bytes
    assert cuda.least.host_bytes == cuda.least.total_bytes - cuda.least.device_bytes


@pytest.mark.parametrize(
    ("limit", "context", "tokens"),
    [(0, 100_000, KV_TOKENS), (0, 512, 512), (9000, 100_000, 9000), (9000, 512, 512), (700, 0, 700)],
)
def test_kv_is_that_of_the_configured_context(limit: int, context: int, tokens: int) -> None:
    spec = ModelSpec(name="a", path="", source="", weights_bytes=1, context_tokens=context, kv_values_per_token=1)
    assert SystemMemory("metal", limit_tokens=lambda spec: limit).estimate(spec).least.kv_bytes == 2 * tokens


def test_what_was_measured_corrects_the_estimate() -> None:
    cost = SystemMemory("metal").estimate(SPEC).least
    larger, smaller = cost.corrected(1.5), cost.corrected(0.01)
    assert larger.rest_bytes == pytest.approx(1.5 * cost.rest_bytes, abs=1)
    assert larger.kv_bytes == cost.kv_bytes
    assert larger.host_bytes == larger.device_bytes + PROCESS_BYTES == larger.total_bytes
    assert smaller.rest_bytes == pytest.approx(0.5 * cost.rest_bytes, abs=1)
    assert larger.estimated_bytes == smaller.estimated_bytes == cost.rest_bytes
    assert sentence(smaller.terms).endswith("- measured 134 MB")
    assert cost.corrected(1.0) is cost
    on_gpu = SystemMemory("cuda").estimate(SPEC).least
    assert on_gpu.corrected(2.0).host_bytes == on_gpu.host_bytes


def test_the_system_is_measured() -> None:
    memory = SystemMemory()
    reading = memory.read()
    assert 0 < reading.available_bytes <= reading.total_bytes == memory.total_bytes()
    assert 0.0 <= reading.stalled_full <= reading.stalled_some <= 1.0
    assert memory.resident_bytes(os.getpid()) > 1 << 20
    assert memory.resident_bytes(2**22 - 1) == 0
    assert isinstance(memory.estimate(SPEC).least, Cost)
