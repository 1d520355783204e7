"""A stand-in for launchd: `python -m tests.standin.launchd FOLDER [LIBRARY]`, and `launchctl` talks to it.

FOLDER holds `knobs.json` (what a test wishes for), `overrides.json` (enabled and disabled labels), and
`journal.jsonl` (what was asked and what happened). `STANDIN_SCALE` shortens launchd's pauses. Knobs: `gui` false
for nobody at the screen, `fail_next` [[verb, code], ...], `never_spawn`, `hold_s`, `drain_s`, `old_words`.
"""

from __future__ import annotations

import asyncio
import os
import signal
import sys
from pathlib import Path
from typing import Any

from tests.standin.launchd import definition, printing
from tests.standin.launchd.definition import DISABLED, Refused
from tests.standin.launchd.job import Job
from tests.standin.server import Folder, Reply, serve

_IO = 5
_RICHER = "Try re-running the command as root for richer errors."
_TEXTS = {3: "No such process", 5: "Input/output error", 37: "Operation already in progress"}
_NO_ACTION = "Domain does not support specified action"
_FLAGS = {"kickstart": {"-k", "-p", "-kp", "-pk"}}


class Launchd:
    """The jobs of one user, in the domains of the screen and of the user."""

    def __init__(self, folder: Folder, library: str) -> None:
        self._folder = folder
        self._library = library
        self._scale = float(os.environ.get("STANDIN_SCALE", "1"))
        self._jobs: dict[str, Job] = {}

    async def answer(self, words: list[str]) -> Reply:
        """Run one verb."""
        try:
            verb, flags, rest = self._split(words)
            planned = self._folder.failure(verb)
            if planned:
                raise Reply(planned, err=f"{verb} failed: {planned}: {_TEXTS.get(planned, 'planned')}\n")
            run = getattr(self, f"_{verb.replace('-', '_')}")
            await run(flags, *rest)
        except Reply as reply:
            return reply
        except TypeError:
            return Reply(64, err=f"Usage: launchctl {words[0]} ...\n")
        return Reply(0)

    def end(self) -> None:
        """Kill every process."""
        for job in self._jobs.values():
            job.end_now()

    def _split(self, words: list[str]) -> tuple[str, set[str], list[str]]:
        verbs = ("bootstrap", "bootout", "kickstart", "print", "enable", "disable", "print-disabled", "kill")
        if not words or words[0] not in verbs:
            raise Reply(64, err=f"Unrecognized subcommand: {words[0] if words else ''}\n")
        flags = {word for word in words[1:] if word.startswith("-")}
        if flags - _FLAGS.get(words[0], set()):
            raise Reply(64, err=f"Unrecognized option: {flags}\nUsage: launchctl {words[0]} ...\n")
        return words[0], flags, [word for word in words[1:] if not word.startswith("-")]

    async def _bootstrap(self, _: set[str], domain: str, path: str) -> None:
        if not self._has(domain):
            raise Reply(125, err=f"Bootstrap failed: 125: {_NO_ACTION}\n")
        try:
            content = definition.load(Path(path), "Aqua" if domain.startswith("gui/") else "Background")
            target = f"{domain}/{content['Label']}"
            if self._overrides(domain).get(content["Label"]) is False:
                raise Refused(DISABLED)
            if target in self._jobs:
                raise Refused(37)
        except Refused as error:
            self._folder.note(event="refused", path=path, true_code=error.code)
            raise Reply(_IO, err=f"Bootstrap failed: 5: {_TEXTS[_IO]}\n{_RICHER}\n") from error
        self._jobs[target] = Job(
            domain, Path(path), content, self._scale, self._library, self._folder.note, self._forget
        )

    async def _bootout(self, _: set[str], target: str) -> None:
        job = self._find(target, "Boot-out", missing=3)
        if job.ending:
            raise Reply(3, err="Boot-out failed: 3: No such process\n")
        job.unload(float(self._knobs().get("drain_s", 0.05)))

    async def _kickstart(self, flags: set[str], target: str) -> None:
        job = self._find(target, "Could not kickstart service", missing=113)
        letters = "".join(flags)
        if job.ending:
            raise Reply(37)
        if job.process and "k" not in letters:
            raise Reply(37, out=f"{job.pid}\n" if "p" in letters else "")
        job.held = bool(self._knobs().get("never_spawn"))
        job.hold_s = float(self._knobs().get("hold_s", 0.0))
        if "k" in letters:
            job.spawned.clear()
            job.kill_and_demand()
        else:
            job.demand()
        if "p" in letters:
            await job.spawned.wait()
            raise Reply(0, out=f"{job.pid}\n")

    async def _print(self, _: set[str], target: str) -> None:
        domain, _slash, label = self._parts(target)
        if not self._has(domain):
            raise Reply(125, err=f"Bad request.\n{_NO_ACTION}\n")
        if not label:
            mine = [job.label for job in self._jobs.values() if job.domain == domain]
            raise Reply(0, out=printing.domain(domain, mine))
        if target not in self._jobs:
            raise Reply(113, err=printing.not_found(label, domain))
        raise Reply(0, out=printing.job(self._jobs[target]))

    async def _enable(self, _: set[str], target: str) -> None:
        self._override(target, True)

    async def _disable(self, _: set[str], target: str) -> None:
        self._override(target, False)

    async def _print_disabled(self, _: set[str], domain: str) -> None:
        words = ("true", "false") if self._knobs().get("old_words") else ("disabled", "enabled")
        lines = [f'\t\t"{label}" => {words[enabled]}\n' for label, enabled in self._overrides(domain).items()]
        raise Reply(0, out=f"\tdisabled services = {{\n{''.join(lines)}\t}}\n")

    async def _kill(self, _: set[str], name: str, target: str) -> None:
        job = self._find(target, "Could not kill service", missing=113)
        if not job.process:
            raise Reply(3, err="Could not kill service: 3: No such process\n")
        job.process.send(signal.Signals[f"SIG{name.removeprefix('SIG')}"])

    def _find(self, target: str, what: str, missing: int) -> Job:
        domain, _, label = self._parts(target)
        if not self._has(domain):
            raise Reply(125, err=f"{what} failed: 125: {_NO_ACTION}\n")
        if target not in self._jobs:
            unknown = f'Could not find service "{label}" in domain for {domain}'
            raise Reply(missing, err=f"{what} failed: {missing}: {_TEXTS.get(missing, unknown)}\n")
        return self._jobs[target]

    def _has(self, domain: str) -> bool:
        domains = [f"user/{os.getuid()}"] + ([f"gui/{os.getuid()}"] if self._knobs().get("gui", True) else [])
        return domain in domains

    def _parts(self, target: str) -> tuple[str, str, str]:
        kind, _, rest = target.partition("/")
        uid, slash, label = rest.partition("/")
        return f"{kind}/{uid}", slash, label

    def _forget(self, job: Job) -> None:
        del self._jobs[f"{job.domain}/{job.label}"]

    def _knobs(self) -> dict[str, Any]:
        return self._folder.read("knobs.json")

    def _overrides(self, domain: str) -> dict[str, bool]:
        found: dict[str, bool] = self._folder.read("overrides.json").get(domain, {})
        return found

    def _override(self, target: str, enabled: bool) -> None:
        domain, _, label = self._parts(target)
        every = self._folder.read("overrides.json")
        every.setdefault(domain, {})[label] = enabled
        self._folder.write("overrides.json", every)


if __name__ == "__main__":
    _folder = Folder(Path(sys.argv[1]))
    _launchd = Launchd(_folder, sys.argv[2] if len(sys.argv) > 2 else "")
    asyncio.run(serve(_folder, _launchd.answer, _launchd.end))
