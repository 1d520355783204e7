"""`/metrics` as Prometheus' own parser reads it."""

from __future__ import annotations

from prometheus_client.metrics_core import Metric
from prometheus_client.parser import text_string_to_metric_families
from prometheus_client.samples import Sample

from omlx_daemon.api.prometheus import Family, render
from omlx_daemon.api.prometheus import Sample as Ours
from tests.api.cache_port import ODD_MODEL
from tests.api.serving import Served


def families(served: Served) -> dict[str, Metric]:
    answer = served.ask("GET", "/metrics")
    assert answer.status == 200
    assert answer.headers["content-type"] == "text/plain; version=0.0.4; charset=utf-8"
    return {family.name: family for family in text_string_to_metric_families(answer.text)}


def samples(found: dict[str, Metric]) -> list[Sample]:
    return [sample for family in found.values() for sample in family.samples]


def value(found: dict[str, Metric], name: str, **labels: str) -> float:
    matching = [one.value for one in samples(found) if one.name == name and one.labels == labels]
    assert len(matching) == 1, (name, labels)
    return matching[0]


def test_the_caches_figures(served: Served) -> None:
    found = families(served)
    for tier, tokens in (("hot", 500), ("cold", 250), ("recomputed", 250)):
        assert value(found, "omlx_cache_tokens_total", model="sky", tier=tier) == tokens
    assert value(found, "omlx_cache_size_bytes", model="sky", tier="hot") == 1_500_000
    assert value(found, "omlx_cache_capacity_bytes", model="sky", tier="hot") == 9_000_000
    assert value(found, "omlx_cache_evictions_total", model="sky", tier="hot") == 4
    assert value(found, "omlx_cache_read_bytes_total", model="sky", tier="cold") == 11
    assert value(found, "omlx_cache_written_bytes_total", model="sky", tier="cold") == 13
    assert value(found, "omlx_cache_queued_parts", model="sky", tier="cold") == 2
    assert value(found, "omlx_cache_quarantined_total", model="sky", tier="cold") == 1
    assert value(found, "omlx_cache_misses_total", model="sky", reason="new") == 2
    assert value(found, "omlx_cache_saved_seconds_total", model="sky") == 1.25


def test_any_model_name_survives(served: Served) -> None:
    assert value(families(served), "omlx_cache_enabled", model=ODD_MODEL) == 0


def test_the_daemons_figures(served: Served) -> None:
    found = families(served)
    assert value(found, "omlx_info", version="1.2.3") == 1
    assert value(found, "omlx_models_in_memory") == 1
    assert value(found, "omlx_requests_running", model="sky") == 0
    assert value(found, "omlx_model_size_bytes", model="sky") == 98_400_000
    assert value(found, "omlx_memory_level") == 1
    assert value(found, "omlx_memory_bytes", term="hot_tiers") == 5
    assert value(found, "omlx_memory_waiting") == 1
    assert value(found, "omlx_memory_swaps_total") == 2


def test_every_family_says_what_it_is_and_no_sample_comes_twice(served: Served) -> None:
    text = served.ask("GET", "/metrics").text
    found = families(served)
    assert all(family.documentation.endswith(".") or "always" in family.documentation for family in found.values())
    assert {family.type for family in found.values()} == {"counter", "gauge"}
    names = [(one.name, tuple(sorted(one.labels.items()))) for one in samples(found)]
    assert len(names) == len(set(names)) > 40
    assert text.count("# TYPE ") == text.count("# HELP ") == len(found)
    assert text.endswith("\n")


def test_odd_values_are_written_as_prometheus_reads_them() -> None:
    numbers = (float("inf"), float("-inf"), 1e300, 0.1, 3)
    family = Family("x", "gauge", "A \\ and\nanother line.", [Ours(n, {"n": str(i)}) for i, n in enumerate(numbers)])
    (read,) = text_string_to_metric_families(render([family]))
    assert [sample.value for sample in read.samples] == list(numbers)
    assert read.documentation == "A \\ and\nanother line."
