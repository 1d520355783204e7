"""The shim: a file of a few lines on the PATH that runs the `omlx` of one installation.

It runs the interpreter directly, so that no wrapper of another tool costs time at every command, and asks before
whether interpreter and package are still there: an uninstall or a moved environment is then told in plain words.
"""

from __future__ import annotations

import os
import shlex
import sys
import tempfile
from pathlib import Path

from omlx_cli.contract.errors import Code, OmlxError
from omlx_cli.contract.paths import DIRECTORY_MODE
from omlx_cli.service.job import lasting

MODE = 0o755
_TEXT = """\
#!/bin/sh
# Runs omlx. Written by `omlx self install-shim`, which also renews it.
python={python}
package={package}
if [ -x "$python" ] && [ -f "$package/__main__.py" ]; then
    exec "$python" -I -X utf8 -m omlx_cli "$@"
fi
echo "error: the omlx behind this shim is gone: $package" >&2
echo "hint: install omlx again, then let it run: omlx self install-shim" >&2
exit 1
"""


def render(python: str, package: str) -> str:
    """Return the shim that runs the package's `omlx` with an interpreter; both paths may hold any character."""
    return _TEXT.format(python=shlex.quote(python), package=shlex.quote(package))


def of_this_installation() -> str:
    """Return the shim that runs the omlx that is running, by paths that outlive an upgrade."""
    package = str(Path(__file__).parents[1])
    return render(lasting(sys.executable), lasting(package))


def install(path: Path) -> None:
    """Write the shim, whole or not at all, into a home that is there. Raises OmlxError."""
    try:
        path.parent.mkdir(mode=DIRECTORY_MODE, exist_ok=True)
        with tempfile.NamedTemporaryFile("w", dir=path.parent, prefix=f".{path.name}.", delete=False) as file:
            try:
                file.write(of_this_installation())
                os.fchmod(file.fileno(), MODE)
                file.flush()
                Path(file.name).replace(path)
            except BaseException:
                Path(file.name).unlink(missing_ok=True)
                raise
    except OSError as error:
        raise OmlxError(
            Code.INTERNAL, f"cannot write {path}: {error.strerror}", f"see who owns {path.parent}"
        ) from error
