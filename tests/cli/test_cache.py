"""`omlx cache` through a running daemon."""

from __future__ import annotations

import json
import subprocess
import sys

import pexpect
import pytest

from omlx_cli.commands.cache import VERBS
from omlx_cli.contract import routes
from omlx_cli.contract.cache import (
    BadBlock,
    CacheList,
    CacheMetrics,
    CachePins,
    CacheRow,
    CacheStats,
    ModelCacheFigures,
    PrunedModel,
    PruneReport,
    TierFigures,
    VerifyDone,
    VerifyFailed,
    VerifyProgress,
    VerifyReport,
)
from omlx_cli.contract.errors import Code, ErrorBody
from tests.cli.conftest import Omlx, omlx_on_a_terminal
from tests.cli.stand_in import StandIn, records, refusal, reply
from tests.cli.test_budget import HEAVY, imported_by

ROWS = (
    CacheRow(
        model="smollm2", namespace="ab" * 32, blocks=12, size_bytes=34_500_000, pinned_bytes=500_000, in_use=True,
        newest_at="2020-05-01T10:00:00+00:00",
    ),
    CacheRow(model="", namespace="kv-v0/cd", size_bytes=1000, quarantined_files=1, incompatible=True),
)  # fmt: skip
STATS = CacheStats(
    path="/fast/kv", quota_bytes=100_000_000, used_bytes=34_501_000, free_bytes=5_000_000_000, min_free_bytes=10**9,
    blocks=12, block_bytes=34_500_000, pins=1, pinned_bytes=500_000, evictions={"quota": 3, "age": 1},
    written_today_bytes=5_000_000, write_budget_bytes=10**9, namespaces=ROWS,
)  # fmt: skip
METRICS = CacheMetrics(
    hit_rate=0.75, requested_tokens=1000, reused_hot_tokens=500, reused_cold_tokens=250, recomputed_tokens=250,
    saved_s=90.0,
    models=(
        ModelCacheFigures(
            model="smollm2",
            tiers=(TierFigures(tier="hot", size_bytes=9_000_000, capacity_bytes=10**9, reused_tokens=500),),
        ),
        ModelCacheFigures(model="odd", enabled=False, why_off="its cache class is unknown"),
    ),
)  # fmt: skip
PLAN = PruneReport(
    dry_run=True,
    files=13,
    size_bytes=34_001_000,
    kept_pinned_files=2,
    models=(PrunedModel(model="", files=1, size_bytes=1000), PrunedModel(model="smollm2", files=12, size_bytes=10**7)),
)
DONE = PruneReport(files=12, size_bytes=34_000_000, models=(PrunedModel(model="smollm2", files=12),))


@pytest.mark.parametrize("verb", VERBS)
def test_every_verb_has_help_with_examples_and_takes_json(omlx: Omlx, verb: str) -> None:
    ran = omlx("cache", verb, "--help")
    assert ran.code == 0
    assert f"omlx cache {verb}" in ran.out.split("Examples:")[1]
    assert "--json" in ran.out
    for words in (("cache",), ("cache", "--help")):
        assert f"  {verb.ljust(max(map(len, VERBS)))}  {VERBS[verb]}\n" in omlx(*words).out


def test_the_groups_help_imports_no_verb() -> None:
    code = (
        "import sys; from omlx_cli import cli; cli.main(['cache', '--help']);"
        "print([name for name in sys.modules if name.startswith('omlx_cli.commands.cache.')], file=sys.stderr)"
    )
    done = subprocess.run([sys.executable, "-I", "-c", code], capture_output=True, text=True, timeout=60, check=True)
    assert done.stderr == "[]\n"


def test_stats(daemon: StandIn, omlx: Omlx) -> None:
    daemon.says("GET", routes.CACHE_STATS, reply(STATS))
    daemon.says("GET", routes.CACHE_METRICS, reply(METRICS))
    ran = omlx("cache", "stats")
    lines = ran.out.splitlines()
    assert lines[:8] == [
        "path     /fast/kv",
        "state    ok",
        "used     34.5 MB of 100 MB (35%)",
        "free     5.0 GB on the volume, 1.0 GB stay free",
        "blocks   12 (34.5 MB)",
        "pins     1 (500 kB)",
        "written  5.0 MB of 1.0 GB today",
        "removed  1 for age, 3 for quota",
    ]
    assert lines[9].split() == ["MODEL", "BLOCKS", "SIZE", "PINNED", "USED", "STATE", "NAMESPACE"]
    assert lines[14].split() == [
        "smollm2",
        "hot",
        "9.0",
        "MB",
        "1.0",
        "GB",
        "500",
        "tokens",
        "0",
        "0",
        "B",
        "0",
        "B",
        "-",
    ]
    assert lines[16] == (
        "75.0% of 1000 prompt tokens were reused: 500 from RAM, 250 from SSD; 250 were computed, 1m30s saved"
    )
    assert (ran.code, ran.err) == (0, "odd is not cached: its cache class is unknown\n")
    document = json.loads(omlx("cache", "stats", "--json").out)
    assert (document["schema_version"], document["used_bytes"]) == (1, 34_501_000)
    assert document["metrics"]["hit_rate"] == 0.75


def test_a_degraded_cache_says_so(daemon: StandIn, omlx: Omlx) -> None:
    daemon.says("GET", routes.CACHE_STATS, reply(CacheStats(path="/kv", state="degraded", reason="writing: no space")))
    daemon.says("GET", routes.CACHE_METRICS, reply(CacheMetrics()))
    ran = omlx("cache", "stats")
    assert "state   degraded: writing: no space\n" in ran.out
    assert "used    0 B, no quota\n" in ran.out
    assert "no prompt has been asked for" in ran.out
    assert ran.err == "warning: nothing is written to the SSD: writing: no space\n"


def test_ls(daemon: StandIn, omlx: Omlx) -> None:
    for query in ("", "?model=org%2Fa+b", "?incompatible=true", "?model=m&incompatible=true"):
        daemon.says("GET", routes.CACHE_LIST + query, reply(CacheList(namespaces=ROWS)))
    lines = omlx("cache", "ls").out.splitlines()
    assert lines[1].startswith("smollm2      12  34.5 MB  500 kB  ")
    assert lines[1].endswith(" years ago  in use        abababababababa…")
    assert lines[2].split() == ["-", "0", "1.0", "kB", "-", "-", "incompatible", "kv-v0/cd"]
    assert json.loads(omlx("cache", "ls", "--json").out)["namespaces"][0]["namespace"] == "ab" * 32
    for words in (("--model", "org/a b"), ("--incompatible",), ("--model", "m", "--incompatible")):
        assert omlx("cache", "ls", *words).code == 0


def test_prune_off_a_terminal_needs_yes(daemon: StandIn, omlx: Omlx) -> None:
    daemon.says("POST", routes.CACHE_PRUNE, reply(PLAN))
    ran = omlx("cache", "prune", "--older-than", "7d", "--incompatible")
    assert (ran.code, ran.out) == (6, "")
    assert "-            1   1.0 kB\nsmollm2     12  10.0 MB\n" in ran.err
    assert ran.err.endswith(
        "error: nothing was removed: 13 files, 34.0 MB\nhint: omlx cache prune --yes  does not ask\n"
    )
    body = {"older_than": "7d", "larger_than": "", "model": "", "incompatible": True, "dry_run": True}
    assert daemon.asked(routes.CACHE_PRUNE) == [body]
    assert json.loads(omlx("cache", "prune", "--model", "m", "--json").err.splitlines()[-1])["error"]["code"] == (
        "confirmation_required"
    )


def test_prune_with_yes_ends_with_count_and_bytes(daemon: StandIn, omlx: Omlx) -> None:
    daemon.says("POST", routes.CACHE_PRUNE, reply(DONE))
    ran = omlx("cache", "prune", "--model", "smollm2", "--larger-than", "10MiB", "--yes")
    assert (ran.code, ran.out, ran.err) == (0, "removed 12 files, 34.0 MB\n", "")
    assert json.loads(omlx("cache", "prune", "--older-than", "1h30m", "-y", "--json").out)["files"] == 12
    asked = daemon.asked(routes.CACHE_PRUNE)
    assert [isinstance(body, dict) and body["dry_run"] for body in asked] == [False, False]


def test_a_dry_run_removes_nothing(daemon: StandIn, omlx: Omlx) -> None:
    daemon.says("POST", routes.CACHE_PRUNE, reply(PLAN))
    ran = omlx("cache", "prune", "--older-than", "7d", "--dry-run", "--yes")
    assert (ran.code, ran.out) == (0, "would remove 13 files, 34.0 MB\n")
    assert ran.err.endswith("kept 2 files of pinned prefixes\n")
    assert len(daemon.asked(routes.CACHE_PRUNE)) == 1


def test_nothing_to_prune_is_not_asked_about(daemon: StandIn, omlx: Omlx) -> None:
    daemon.says("POST", routes.CACHE_PRUNE, reply(PruneReport(dry_run=True)))
    ran = omlx("cache", "prune", "--older-than", "7d")
    assert (ran.code, ran.out, ran.err) == (0, "removed 0 files, 0 B\n", "")


def test_a_prune_that_ends_early_says_why(daemon: StandIn, omlx: Omlx) -> None:
    error = ErrorBody(code=Code.CACHE_UNUSABLE, message="not everything could be removed: read-only")
    daemon.says("POST", routes.CACHE_PRUNE, reply(PruneReport(files=1, size_bytes=7, error=error)))
    ran = omlx("cache", "prune", "--older-than", "7d", "--yes")
    assert (ran.code, ran.out) == (1, "removed 1 file, 7 B\n")
    assert ran.err == "error: not everything could be removed: read-only\n"


@pytest.mark.parametrize(("answer", "code", "calls"), [("y", 0, 2), ("n", 6, 1), ("", 6, 1)])
def test_prune_asks_on_a_terminal(daemon: StandIn, answer: str, code: int, calls: int) -> None:
    daemon.says("POST", routes.CACHE_PRUNE, reply(PLAN), reply(DONE))
    terminal = omlx_on_a_terminal("cache", "prune", "--older-than", "7d")
    terminal.expect_exact("smollm2     12  10.0 MB")
    terminal.expect_exact("Prune 13 files, 34.0 MB? [y/N]: ")
    terminal.sendline(answer)
    terminal.expect_exact("removed 12 files, 34.0 MB" if code == 0 else "error: nothing was removed")
    terminal.expect(pexpect.EOF)
    terminal.close()
    assert terminal.exitstatus == code
    assert len(daemon.asked(routes.CACHE_PRUNE)) == calls


def test_clear(daemon: StandIn, omlx: Omlx) -> None:
    daemon.says("GET", routes.CACHE_LIST, reply(CacheList(namespaces=ROWS)))
    daemon.says("POST", routes.CACHE_CLEAR, reply(DONE))
    ran = omlx("cache", "clear")
    assert ran.code == 6
    assert ran.err == (
        "error: nothing was removed: 13 files, 34.0 MB (what is pinned stays)\n"
        "hint: omlx cache clear --yes  does not ask\n"
    )
    assert daemon.asked(routes.CACHE_CLEAR) == []
    assert omlx("cache", "clear", "--yes").out == "removed 12 files, 34.0 MB\n"
    assert omlx("cache", "clear", "--model", "smollm2", "--yes").code == 0
    assert daemon.asked(routes.CACHE_CLEAR) == [{"model": ""}, {"model": "smollm2"}]


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (("prune",), "say what to prune, for example --older-than 7d"),
        (("prune", "--yes", "--dry-run"), "say what to prune"),
        (("prune", "--older-than", "7"), "invalid value for '--older-than': '7' is not a duration; write for example"),
        (("prune", "--older-than", "-7d"), "invalid value for '--older-than': '-7d' is not a duration"),
        (("prune", "--older-than", "never"), "no block is older than never; write for example --older-than 7d"),
        (("prune", "--larger-than", "20%"), "invalid value for '--larger-than': '20%'"),
        (("prune", "--larger-than", "big"), "invalid value for '--larger-than': 'big' is not a size; write for"),
        (("verify", "--sample", "0"), "invalid value for '--sample': 0 is not in the range x>=1"),
        (("pin", "agent"), "missing option '--system'"),
        (("fly",), "no such command 'fly'"),
    ],
)
def test_mistakes_are_refused_before_anything(
    daemon: StandIn, omlx: Omlx, words: tuple[str, ...], message: str
) -> None:
    ran = omlx("cache", *words)
    assert (ran.code, ran.out) == (2, "")
    assert ran.err.startswith(f"error: {message}")
    assert daemon.seen == []


def test_verify(daemon: StandIn, omlx: Omlx) -> None:
    progress = VerifyProgress(checked=2, total=4)
    daemon.says("POST", routes.CACHE_VERIFY, records(progress, VerifyDone(report=VerifyReport(checked=4))))
    ran = omlx("cache", "verify", "--sample", "4", "--deep")
    assert (ran.code, ran.err) == (0, "")
    assert ran.out == "checked 4 blocks, 0 B in 0: all good\ncomputed 0 again, to the same values\n"
    assert daemon.asked(routes.CACHE_VERIFY) == [{"sample": 4, "deep": True}]
    lines = omlx("cache", "verify", "--json").out.splitlines()
    assert [json.loads(line)["type"] for line in lines] == ["progress", "done"]


def test_a_deep_verification_says_what_it_left_out_and_why(daemon: StandIn, omlx: Omlx) -> None:
    report = VerifyReport(checked=9, recomputed=4, left_out={"of chains with a salt": 3, "of models that are gone": 2})
    daemon.says("POST", routes.CACHE_VERIFY, records(VerifyDone(report=report)))
    assert omlx("cache", "verify", "--deep").out.splitlines()[1:] == [
        "computed 4 again, to the same values",
        "left out 3 of chains with a salt",
        "left out 2 of models that are gone",
    ]
    found = json.loads(omlx("cache", "verify", "--deep", "--json").out.splitlines()[-1])["report"]
    assert (found["recomputed"], found["left_out"]["of chains with a salt"]) == (4, 3)


def test_verify_names_what_is_bad_and_ends_in_1(daemon: StandIn, omlx: Omlx) -> None:
    bad = BadBlock(model="smollm2", filename="x.safetensors", reason="the payload's checksum is wrong")
    report = VerifyReport(checked=4, checked_bytes=9, damaged=1, unreadable=2, seconds=1.0, problems=(bad,))
    daemon.says("POST", routes.CACHE_VERIFY, records(VerifyDone(report=report)))
    ran = omlx("cache", "verify")
    assert ran.code == 1
    assert ran.out == (
        "smollm2  x.safetensors  the payload's checksum is wrong\n"
        "checked 4 blocks, 9 B in 1s: 1 damaged and put aside, 2 unreadable\n"
    )
    assert omlx("cache", "verify", "--json").code == 1


def test_a_verification_that_breaks_off_is_an_error(daemon: StandIn, omlx: Omlx) -> None:
    failed = VerifyFailed(error=ErrorBody(code=Code.CACHE_UNUSABLE, message="the disk went away"))
    for events, message in (((failed,), "the disk went away"), ((), "the verification broke off")):
        daemon.says("POST", routes.CACHE_VERIFY, records(VerifyProgress(checked=1, total=9), *events))
        ran = omlx("cache", "verify")
        assert (ran.code, ran.err.splitlines()[0]) == (1, f"error: {message}")


def test_verify_counts_on_a_terminal(daemon: StandIn) -> None:
    progress = VerifyProgress(checked=2, total=4)
    daemon.says("POST", routes.CACHE_VERIFY, records(progress, VerifyDone(report=VerifyReport(checked=4))))
    terminal = omlx_on_a_terminal("cache", "verify")
    terminal.expect_exact("checked 2 of 4 blocks")
    terminal.expect_exact("checked 4 blocks, 0 B in 0: all good")
    terminal.expect(pexpect.EOF)


def test_path_is_the_running_daemons(daemon: StandIn, omlx: Omlx) -> None:
    daemon.says("GET", routes.CACHE_STATS, reply(STATS))
    assert omlx("cache", "path").out == "/fast/kv\n"
    assert json.loads(omlx("cache", "path", "--json").out) == {"schema_version": 1, "path": "/fast/kv", "exists": False}


def test_the_daemons_errors_become_exit_codes(daemon: StandIn, omlx: Omlx) -> None:
    daemon.says("POST", routes.CACHE_UNPIN, refusal(Code.NOT_FOUND, "there is no pin 'x'", status=404))
    assert omlx("cache", "unpin", "x").code == 3


def test_the_light_verbs_import_nothing_heavy(daemon: StandIn) -> None:
    daemon.says("GET", routes.CACHE_STATS, reply(STATS))
    daemon.says("GET", routes.CACHE_METRICS, reply(METRICS))
    daemon.says("GET", routes.CACHE_LIST, reply(CacheList(namespaces=ROWS)))
    daemon.says("GET", routes.CACHE_PINS, reply(CachePins()))
    daemon.says("POST", routes.CACHE_PRUNE, reply(DONE))
    for words in (("stats",), ("ls",), ("pins",), ("path",), ("prune", "--older-than", "7d", "-y")):
        assert not imported_by("cache", *words) & HEAVY, words
