"""Becomes a service's process: file descriptors, limits, umask, folder, then exec. Exits 78 where that fails.

`spawn.py PLAN`, a JSON object: argv, env, cwd, stdout, stderr, umask, files, fds {number wanted: number held},
pid_variable, and line, which closes when the program runs.
"""

from __future__ import annotations

import json
import os
import resource
import sys

EX_CONFIG = 78


def main() -> None:
    plan = json.loads(sys.argv[1])
    environment = plan["env"]
    if plan.get("pid_variable"):
        environment[plan["pid_variable"]] = str(os.getpid())
    for wanted, held in plan.get("fds", {}).items():
        os.dup2(held, int(wanted), inheritable=True)
        os.set_inheritable(held, False)
    os.set_inheritable(plan["line"], False)
    os.umask(plan.get("umask", 0o22))
    os.chdir(plan.get("cwd", "/"))
    if plan.get("files"):
        hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
        resource.setrlimit(resource.RLIMIT_NOFILE, (min(plan["files"], hard), hard))
    for number, key in ((1, "stdout"), (2, "stderr")):
        output = os.open(plan.get(key) or os.devnull, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
        os.dup2(output, number)
    os.execve(plan["argv"][0], plan["argv"], environment)


if __name__ == "__main__":
    try:
        main()
    except (OSError, ValueError):
        os._exit(EX_CONFIG)
