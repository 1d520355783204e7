from __future__ import annotations

from pathlib import Path

import pytest

from omlx_cli.contract.errors import Code, OmlxError
from omlx_daemon.ledger.policy import Policy, Refusal
from tests.ledger.bench import MIB, MODELS, Bench, block, opened


def test_pinned_blocks_outlive_quota_age_and_restart(tmp_path: Path) -> None:
    policy = Policy(quota_bytes=MIB, max_age_s=3600)
    with opened(tmp_path, policy) as bench:
        chain = bench.chain("a", "x", 3, 100_000)
        bench.ledger.pin("system", MODELS["a"], [name.hash for name in chain])
    with opened(tmp_path, policy) as bench:
        bench.clock.go(100_000)
        for seed in range(30):
            assert bench.store("b", block(f"s{seed}"), 100_000)
        bench.ledger.maintain()
        assert all(bench.there("a", chain))
        assert bench.ledger.stats().pinned_bytes >= 300_000
        assert bench.ledger.unpin("system")
        assert not bench.ledger.unpin("system")
        bench.ledger.maintain()
        assert not any(bench.there("a", chain))


def test_a_pin_is_shown_with_what_is_there_of_it(bench: Bench) -> None:
    chain = bench.chain("a", "x", 2)
    later = block("later", chain[-1].hash)
    bench.ledger.pin("system", MODELS["a"], [*(name.hash for name in chain), later.hash])
    (pin,) = bench.ledger.pins().pins
    assert (pin.label, pin.model, pin.blocks) == ("system", "a", 3)
    before = pin.stored_bytes
    bench.store("a", later)
    assert bench.ledger.pins().pins[0].stored_bytes > before
    bench.ledger.pin("system", MODELS["a"], [chain[0].hash])
    assert [pin.blocks for pin in bench.ledger.pins().pins] == [1]


def test_pins_over_the_quota_are_refused(tmp_path: Path) -> None:
    with opened(tmp_path, Policy(quota_bytes=2 * MIB)) as bench:
        first, second = bench.chain("a", "x", 8, 100_000), bench.chain("b", "y", 4, 100_000)
        bench.ledger.pin("one", MODELS["a"], [name.hash for name in first])
        wanted = [*(name.hash for name in second), *(block(f"later{i}").hash for i in range(10))]
        with pytest.raises(OmlxError) as caught:
            bench.ledger.pin("two", MODELS["b"], wanted)
        assert caught.value.code is Code.CACHE_FULL
        assert [pin.label for pin in bench.ledger.pins().pins] == ["one"]
        bench.ledger.pin("one", MODELS["b"], wanted)


def test_where_all_is_pinned_nothing_more_is_granted(tmp_path: Path) -> None:
    with opened(tmp_path, Policy(quota_bytes=MIB)) as bench:
        chain = bench.chain("a", "x", 8, 100_000)
        bench.ledger.pin("all", MODELS["a"], [name.hash for name in chain])
        assert not bench.store("b", block("y"), 300_000)
        assert bench.ledger.refusal("b") is Refusal.QUOTA
        assert all(bench.there("a", chain))


@pytest.mark.parametrize(("label", "namespace"), [("", MODELS["a"]), ("x\n", MODELS["a"]), ("x", "../..")])
def test_a_bad_name_is_refused(bench: Bench, label: str, namespace: str) -> None:
    with pytest.raises(OmlxError) as caught:
        bench.ledger.pin(label, namespace, [block("x").hash])
    assert caught.value.code is Code.INVALID_REQUEST


@pytest.mark.parametrize(
    "text",
    ["", "{", '{"pins": 3}', '{"pins": {"a": {"namespace": "..", "hashes": []}}}', '{"pins": {"a": {"hashes": 3}}}',
     '{"pins": {"a": {"namespace": "aaaaaaaa", "hashes": ["zz"]}, "b": {"namespace": "aaaaaaaa", "hashes": ["ab"]}}}'],
)  # fmt: skip
def test_pins_that_cannot_be_read_are_none(tmp_path: Path, text: str) -> None:
    (tmp_path / "pins.json").write_text(text)
    with opened(tmp_path) as bench:
        assert bench.ledger.pins().pins == ()


def test_a_pin_that_cannot_be_written_down_is_an_error_and_no_pin(bench: Bench) -> None:
    chain = bench.chain("a", "x", 1)
    path = bench.root / "pins.json"
    path.mkdir()
    with pytest.raises(OmlxError) as caught:
        bench.ledger.pin("x", MODELS["a"], [chain[0].hash])
    assert caught.value.code is Code.CACHE_UNUSABLE
    assert bench.ledger.pins().pins == ()
