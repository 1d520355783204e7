"""Models of the hub, fetched by huggingface_hub into the cache that it shares with other tools.

Its own download begins a file anew after the process died. Large files are therefore fetched here first, with a
range request from where the last try ended, checked against the hub's sha256 and put where it looks for them.
"""

from __future__ import annotations

import hashlib
import shutil
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from fnmatch import fnmatch
from pathlib import Path
from threading import Event, Thread

from huggingface_hub import HfApi, constants, hf_hub_download, hf_hub_url, snapshot_download
from huggingface_hub.errors import GatedRepoError, HfHubHTTPError, RepositoryNotFoundError
from huggingface_hub.file_download import http_get
from huggingface_hub.utils._headers import build_hf_headers

from omlx_cli.contract.errors import Code, OmlxError
from omlx_daemon.models import architectures, failures, folder, hubcache
from omlx_daemon.models.job import Reporter

LARGE_BYTES = 4 << 20
MAX_PLAIN_BYTES = 50_000_000_000
"""The hub gives larger files only to its own protocol."""
CONNECTIONS = 4
LOOK_EVERY_S = 0.25
TIMEOUT_S = 20.0
CHUNK_BYTES = 1 << 20
"""What a lost connection may cost; the library's own chunk is ten times as large and its progress as coarse."""
_NESTED = "*/*"
_HTTP_ERROR: type[BaseException] = HfHubHTTPError.__bases__[0]
"""The base of the HTTP library's errors; which library it is depends on huggingface_hub's version."""


@dataclass(frozen=True, slots=True)
class _File:
    name: str
    size_bytes: int
    sha256: str


@dataclass(frozen=True, slots=True)
class _Repository:
    """One commit of a repository, and what of it is wanted."""

    hub_id: str
    commit: str
    files: tuple[_File, ...]
    folder: Path

    @property
    def snapshot(self) -> Path:
        return self.folder / "snapshots" / self.commit

    def blob(self, file: _File) -> Path:
        return self.folder / "blobs" / file.sha256

    def part(self, file: _File) -> Path:
        return self.folder / "blobs" / f"{file.sha256}.omlx.incomplete"

    def present_bytes(self) -> int:
        """Return how many of the wanted bytes are on disk."""
        return sum(min(file.size_bytes, _first_size(self._places(file))) for file in self.files)

    def _places(self, file: _File) -> tuple[Path, ...]:
        here = self.snapshot / file.name
        return (here, self.blob(file), self.part(file)) if file.sha256 else (here,)


def pull(hub_id: str, report: Reporter) -> bool:
    """Bring a model into the hub cache and check it; return whether anything was fetched.

    Without a network a model that is there already is good enough. Raises OmlxError, OSError.
    """
    constants.DOWNLOAD_CHUNK_SIZE = CHUNK_BYTES
    cache = hubcache.location()
    report.progress("resolve", detail=hub_id)
    try:
        with _translated(hub_id):
            repository = _look_up(hub_id, cache)
            complete = repository.snapshot.is_dir() and _is_complete(repository)
            _fetch(repository, cache, report)
    except OmlxError as error:
        snapshot = hubcache.current(hubcache.repository(cache, hub_id))
        if error.body != failures.unreachable("the hub").body or snapshot is None or folder.look(snapshot).problem:
            raise
        report.progress("resolve", detail="the hub cannot be reached; the model is here already")
        return False
    report.progress("verify")
    folder.verify(repository.snapshot, boundary=cache)
    return not complete


@contextmanager
def _translated(hub_id: str) -> Iterator[None]:
    try:
        yield
    except GatedRepoError as error:
        raise failures.gated(hub_id) from error
    except RepositoryNotFoundError as error:
        raise failures.unknown_repository(hub_id) from error
    except HfHubHTTPError as error:
        status = error.response.status_code
        if status in (401, 403):
            raise failures.gated(hub_id) from error
        raise OmlxError(Code.PULL_FAILED, f"the hub answered {status} for {hub_id}", failures.RESUMES) from error
    except (_HTTP_ERROR, ConnectionError, TimeoutError) as error:
        raise failures.unreachable("the hub") from error


def _look_up(hub_id: str, cache: Path) -> _Repository:
    info = HfApi().model_info(hub_id, files_metadata=True, timeout=TIMEOUT_S)
    listed = info.siblings or []
    names = [sibling.rfilename for sibling in listed]
    if any(name.startswith("/") or ".." in name.split("/") for name in names):
        raise OmlxError(Code.UNSUPPORTED_MODEL, f"{hub_id} lists a file outside its folder")
    wanted = tuple(
        _File(sibling.rfilename, sibling.size or 0, sibling.lfs.sha256 if sibling.lfs else "")
        for sibling in listed
        if _is_wanted(sibling.rfilename)
    )
    _check_listing(hub_id, names, wanted)
    return _Repository(hub_id, info.sha or "main", wanted, hubcache.repository(cache, hub_id))


def _is_wanted(name: str) -> bool:
    return "/" not in name and any(fnmatch(name, pattern) for pattern in folder.KEPT)


def _check_listing(hub_id: str, names: list[str], wanted: tuple[_File, ...]) -> None:
    """Refuse a repository without loadable weights, by what it has instead. Raises OmlxError."""
    kept = {file.name for file in wanted}
    if folder.CONFIG in kept and any(fnmatch(name, folder.WEIGHTS) for name in kept):
        return
    hint = "look for a conversion of it by mlx-community"
    if any(name.endswith(".gguf") for name in names):
        what, hint = "has GGUF files only", "download one of them and pull the file:  omlx pull ./model.gguf"
    elif any(name.endswith(folder.PICKLES) for name in names):
        what = "has its weights as pickles only, which can run code"
    else:
        what = "holds no model in MLX layout"
    raise OmlxError(Code.UNSUPPORTED_MODEL, f"{hub_id} {what}", hint)


def _is_complete(repository: _Repository) -> bool:
    return all((repository.snapshot / file.name).exists() for file in repository.files)


def _fetch(repository: _Repository, cache: Path, report: Reporter) -> None:
    config = hf_hub_download(repository.hub_id, folder.CONFIG, revision=repository.commit, cache_dir=cache)
    problem = architectures.problem(_config(Path(config)))
    if problem:
        raise OmlxError(Code.UNSUPPORTED_MODEL, f"{repository.hub_id} cannot be used: {problem}")
    total = sum(file.size_bytes for file in repository.files)
    _check_space(total - repository.present_bytes(), cache)
    with _watched(repository, total, report):
        _fetch_large(repository)
        snapshot_download(
            repository.hub_id, cache_dir=cache, allow_patterns=list(folder.KEPT), ignore_patterns=[_NESTED]
        )
    report.progress("download", total, total)


def _config(path: Path) -> dict[str, object]:
    try:
        return folder.read_json(path)
    except ValueError as error:
        raise OmlxError(Code.UNSUPPORTED_MODEL, str(error)) from error


def _check_space(needed_bytes: int, cache: Path) -> None:
    free = shutil.disk_usage(cache).free
    if free < needed_bytes:
        raise failures.out_of_space(needed_bytes, free)


@contextmanager
def _watched(repository: _Repository, total_bytes: int, report: Reporter) -> Iterator[None]:
    """Tell the bytes on disk while the body fetches them."""
    done = Event()

    def watch() -> None:
        while not done.wait(LOOK_EVERY_S):
            report.progress("download", min(repository.present_bytes(), total_bytes), total_bytes)

    report.progress("download", repository.present_bytes(), total_bytes)
    thread = Thread(target=watch, daemon=True)
    thread.start()
    try:
        yield
    finally:
        done.set()
        thread.join()


def _fetch_large(repository: _Repository) -> None:
    large = [
        file
        for file in repository.files
        if file.sha256 and LARGE_BYTES <= file.size_bytes <= MAX_PLAIN_BYTES and not repository.blob(file).exists()
    ]
    executor = ThreadPoolExecutor(CONNECTIONS)
    try:
        for _ in executor.map(lambda file: _fetch_one(repository, file), large):
            pass
    finally:
        executor.shutdown(wait=False, cancel_futures=True)


def _fetch_one(repository: _Repository, file: _File) -> None:
    part = repository.part(file)
    part.parent.mkdir(parents=True, exist_ok=True)
    if part.exists() and part.stat().st_size > file.size_bytes:
        part.unlink()
    with part.open("ab") as content:
        http_get(
            hf_hub_url(repository.hub_id, file.name, revision=repository.commit),
            content,
            resume_size=content.tell(),
            headers=build_hf_headers(),
            expected_size=file.size_bytes,
        )
    with part.open("rb") as content:
        digest = hashlib.file_digest(content, "sha256").hexdigest()
    if digest != file.sha256:
        part.unlink()
        raise failures.checksum(file.name)
    part.replace(repository.blob(file))


def _first_size(places: tuple[Path, ...]) -> int:
    for place in places:
        try:
            return place.stat().st_size
        except OSError:
            continue
    return 0
