"""Deep verification of every part that a model stores, on tiny models of several families."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncGenerator, Callable
from pathlib import Path
from typing import Any

import pytest

from omlx_cli.contract.errors import Code, OmlxError
from omlx_daemon.cache import recomputing
from omlx_daemon.cache.recomputing import Compared, Recomputing
from omlx_daemon.cache.warming import Warming
from omlx_daemon.coldstore import blockfile, metadata, names
from omlx_daemon.coldstore.layout import Layout, block_path
from omlx_daemon.coldstore.names import BlockName, Part
from omlx_daemon.core.events import Event
from omlx_daemon.core.requests import CachePolicy, GenerationRequest
from omlx_daemon.wire.cache import CacheStart
from omlx_daemon.worker.backend.kv.opening import open_codec
from omlx_daemon.worker.backend.runner import BatchRunner
from omlx_daemon.worker.cache.ledger import Note
from omlx_daemon.worker.engine.loop import Engine
from omlx_daemon.worker.engine.prefixes import Prefixes
from omlx_daemon.worker.prefixcache import open_cache
from tests.cachewire.test_engine import Bench, model_of, words

SPACE = "ab" * 16


class Granting:
    """A ledger that grants all."""

    def reserve(self, size_bytes: int, parent: bytes = b"") -> int:
        return size_bytes

    def give_back(self, size_bytes: int) -> None: ...

    def note(self, note: Note) -> None: ...


class Stored(Bench):
    """An engine whose cache lies on disk too, and that generates for whoever asks."""

    def __init__(self, name: str, root: Path, ledger: Granting | None = None) -> None:
        super().__init__(name, cached=False)
        opened = open_codec(model_of(name), 16)
        start = CacheStart(enabled=True, namespace=SPACE, directory=str(root), hot_max_bytes=1 << 30)
        Layout(root).create_namespace(SPACE, name, {})
        self.cache = open_cache(
            start, name, opened.codec, opened.arrays, opened.problem, ledger or Granting(), lambda: None
        )
        self.space = Layout(root).namespace(SPACE)
        prefixes = Prefixes(self.cache.store, name, self.cache.compare)
        self.engine = Engine(BatchRunner(model_of(name)), self.tickets, 8, 0.3, time.monotonic, prefixes)

    async def generate(self, request: GenerationRequest) -> AsyncGenerator[Event, None]:
        ticket = self.tickets.open(request)
        sequence = self._preparer.prepare(ticket, request)
        assert self.tickets.hand_over(ticket)
        self.events[ticket.id] = []
        self.engine.admit(sequence)
        self.run()
        for event in self.events[ticket.id]:
            yield event

    def fill(self, *prompts: list[int], salt: str = "") -> list[BlockName]:
        """Answer prompts, write their blocks, and return the files."""
        for prompt in prompts:
            self.submit(prompt, CachePolicy(salt=salt))
            self.run()
        assert not self.cache.store.flush(30).parts
        return [name for file in self.space.glob("??/*") if (name := names.parse(file.name)) is not None]

    def compare(self, choose: Callable[[Recomputing], list[BlockName]] | None = None) -> dict[BlockName, Compared]:
        """Compare stored files, all by default."""

        async def run() -> list[Compared]:
            work = Recomputing(Warming(self), "it", self.space)
            chosen = choose(work) if choose else work.choose(None)
            return [compared async for compared in work.compare(chosen)]

        found = asyncio.run(run())
        by_name: dict[BlockName, Compared] = {compared.name: compared for compared in found}
        assert len(by_name) == len(found)
        return by_name


@pytest.fixture
def stored(tmp_path: Path) -> Any:
    opened: list[Stored] = []

    def make(name: str) -> Stored:
        opened.append(Stored(name, tmp_path))
        return opened[-1]

    yield make
    for one in opened:
        one.cache.close(5)


def forge(space: Path, name: BlockName) -> None:
    """Replace a part's content by another, with good checksums."""
    header, payload = blockfile.read(space, name)
    tensors = [
        blockfile.Tensor(one.name, one.dtype, one.shape, payload[one.start : one.end][::-1]) for one in header.tensors
    ]
    block_path(space, name).unlink()
    told = {key: header.metadata[key] for key in ("token_ids", "salt_digest") if key in header.metadata}
    blockfile.write(space, name, tensors, told)


@pytest.mark.parametrize(
    ("model", "parts"),
    [
        ("llama", {Part.TOKENS}),
        ("gemma3_text", {Part.TOKENS, Part.WINDOW}),
        ("gpt_oss", {Part.TOKENS, Part.WINDOW}),
        ("qwen3_next", {Part.TOKENS, Part.STATE}),
        ("lfm2", {Part.TOKENS, Part.STATE}),
    ],
)
def test_every_part_is_computed_again_and_a_forged_one_found(stored: Any, model: str, parts: set[Part]) -> None:
    bench = stored(model)
    files = bench.fill(words(1, 700), words(2, 300))
    assert {name.part for name in files} == parts
    found = bench.compare()
    assert set(found) == set(files)
    assert not any(compared.is_wrong or compared.left_out for compared in found.values())
    for part in parts:
        forged = max((name for name in files if name.part is part), key=lambda name: name.filename)
        forge(bench.space, forged)
        again = bench.compare()
        assert [name for name, compared in again.items() if compared.is_wrong] == [forged]
        block_path(bench.space, forged).unlink()
        files.remove(forged)


def test_a_state_alone_tells_its_first_block_and_no_more(stored: Any) -> None:
    bench = stored("mamba2")
    bench.fill(words(1, 200), words(2, 700))
    found = bench.compare()
    good = [name for name, compared in found.items() if not compared.left_out]
    assert {name.part for name in found} == {Part.STATE}
    assert good
    assert not any(compared.is_wrong for compared in found.values())
    forge(bench.space, good[0])
    assert bench.compare(lambda work: [good[0]])[good[0]].is_wrong


@pytest.mark.parametrize("model", ["gemma3_text", "qwen3_next"])
def test_chains_of_a_salt_are_computed_again_too_and_a_forged_one_found(stored: Any, model: str) -> None:
    bench = stored(model)
    shared = words(1, 600)
    plain = set(bench.fill(shared))
    files = set(bench.fill(shared, salt="one tenant's"))
    other = set(bench.fill(shared, salt="another's")) - files
    assert len(plain) == len(files - plain) == len(other), "no salt finds what another stored"
    found = bench.compare()
    assert set(found) == files | other
    assert not any(compared.is_wrong or compared.left_out for compared in found.values())
    forged = min(files - plain, key=lambda name: name.filename)
    forge(bench.space, forged)
    again = bench.compare()
    assert [name for name, compared in again.items() if compared.is_wrong] == [forged]


def test_what_a_file_tells_of_its_salt_finds_nothing(stored: Any) -> None:
    bench, prompt = stored("llama"), words(1, 600)
    files = bench.fill(prompt, salt="tenant")
    (digest,) = {metadata.salt_digest(blockfile.read(bench.space, name)[0].metadata) for name in files} - {""}
    assert "tenant" not in digest
    for policy in (CachePolicy(salt=digest), CachePolicy(salt_digest=digest)):
        ticket = bench.submit(prompt, policy)
        bench.run()
        assert bench.usage(ticket).cached_tokens == 0
    ticket = bench.submit(prompt, CachePolicy(salt="tenant"))
    bench.run()
    assert bench.usage(ticket).cached_tokens == 599


def test_what_cannot_be_computed_is_left_out_with_the_reason(stored: Any) -> None:
    bench = stored("gemma3_text")
    plain = set(bench.fill(words(2, 600)))
    head = next(name for name in plain if name.part is Part.TOKENS and not _continues(name, plain))
    gone = {name for name in plain if name.hash == head.hash}
    for name in gone:
        block_path(bench.space, name).unlink()
    found = bench.compare()
    assert found.keys() == plain - gone
    assert {compared.left_out for compared in found.values()} == {recomputing.UNKNOWN_START}


def _continues(name: BlockName, others: set[BlockName]) -> bool:
    return any(other.hash[:8] == name.parent[:8] for other in others)


def test_tokens_that_no_file_tells_and_a_model_that_fails_are_reasons(
    stored: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    bench = stored("llama")
    files = set(bench.fill(words(1, 300)))
    tail = next(name for name in files if _continues(name, files))

    async def fails(*args: object) -> tuple[float, ...]:
        raise OmlxError(Code.LOAD_FAILED, "it does not load")

    monkeypatch.setattr(Warming, "differences", fails)
    assert {one.left_out for one in bench.compare().values()} == {"that it did not compute: it does not load"}
    header, payload = blockfile.read(bench.space, tail)
    tensors = [blockfile.Tensor(one.name, one.dtype, one.shape, payload[one.start : one.end]) for one in header.tensors]
    block_path(bench.space, tail).unlink()
    blockfile.write(bench.space, tail, tensors, {})
    assert bench.compare()[tail].left_out == recomputing.UNTOLD


def test_a_sample_is_as_large_as_asked_for(stored: Any) -> None:
    bench = stored("gemma3_text")
    assert len(bench.fill(words(1, 700))) > 3
    assert len(bench.compare(lambda work: work.choose(3))) == 3
