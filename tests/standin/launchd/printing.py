"""What `launchctl print` prints: an object whose own lines one tab indents, with nested ones that look alike."""

from __future__ import annotations

import os
import signal

from tests.standin.launchd.job import Job

_DECOY = """\tendpoints = {
\t\t"com.example.decoy" = {
\t\t\tport = 0x1a2b3
\t\t\tactive = 0
\t\t\tstate = running
\t\t\tpid = 1
\t\t}
\t}
"""


def job(found: Job) -> str:
    """Return the print-out of one job."""
    lines = [
        f"path = {found.path}",
        "type = LaunchAgent",
        f"state = {found.state}",
        "",
        f"program = {found.content.get('Program') or found.content['ProgramArguments'][0]}",
        *_list("arguments", found.content.get("ProgramArguments", [])),
        "",
        *_list("environment", [f"{k} => {v}" for k, v in found.content.get("EnvironmentVariables", {}).items()]),
        "",
        f"domain = {_domain(found.domain)}",
        f"minimum runtime = {found.content.get('ThrottleInterval', 10)}",
        f"exit timeout = {found.content.get('ExitTimeOut', 5)}",
        f"runs = {found.runs}",
    ]
    if found.pid:
        lines.append(f"pid = {found.pid}")
    lines += [
        *_exit(found.exit_code),
        "",
        f"spawn type = {str(found.content.get('ProcessType', 'daemon')).lower()} (4)",
        "jetsam priority = 40",
    ]
    body = "".join(f"\t{line}\n" if line else "\n" for line in lines)
    return f"{found.domain}/{found.label} = {{\n{_DECOY}{body}{_DECOY}}}\n"


def domain(name: str, labels: list[str]) -> str:
    """Return the print-out of one domain."""
    services = "".join(f"\t\t       0      - \t{label}\n" for label in labels)
    return f"{name} = {{\n\ttype = {_domain(name)}\n\thandle = 100003\n\tservices = {{\n{services}\t}}\n}}\n"


def not_found(label: str, name: str) -> str:
    """Return the words for a label that no job has."""
    return f'Bad request.\nCould not find service "{label}" in domain for {_domain(name)}\n'


def _domain(name: str) -> str:
    kind, _, uid = name.partition("/")
    return f"user {kind}: {uid}" if kind == "gui" else f"{kind}: {uid or os.getuid()}"


def _list(name: str, values: list[str]) -> list[str]:
    return [f"{name} = {{", *(f"\t{value}" for value in values), "}"]


def _exit(code: int | None) -> list[str]:
    if code is None:
        return ["last exit code = (never exited)"]
    if code < 0:
        return [f"last terminating signal = {signal.strsignal(-code)}: {-code}"]
    return [f"last exit code = {code}{': EX_CONFIG' if code == 78 else ''}"]
