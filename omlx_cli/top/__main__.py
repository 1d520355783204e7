"""`python -I -m omlx_cli.top`: the dashboard alone, as the browser's server starts it."""

from __future__ import annotations

import sys

from omlx_cli.env import Env
from omlx_cli.top.app import run

if __name__ == "__main__":
    sys.exit(run(Env()))
