"""The command line of a stand-in: hands its words to the server in the state folder, and repeats what that says.

`client.py STATE_VARIABLE WORD...`: the named variable holds the folder. Runs without site packages.
"""

from __future__ import annotations

import _socket
import json
import os
import sys


def main() -> int:
    folder = os.environ.get(sys.argv[1])
    if not folder:
        sys.stderr.write(f"{sys.argv[1]} is not set\n")
        return 99
    line = _socket.socket(_socket.AF_UNIX, _socket.SOCK_STREAM)
    # The server's folder may lie deeper than a socket's name can be long.
    os.chdir(folder)
    line.connect("server.sock")
    line.sendall(json.dumps(sys.argv[2:]).encode() + b"\n")
    data = b""
    while part := line.recv(65536):
        data += part
    code, out, err = json.loads(data)
    sys.stdout.write(out)
    sys.stderr.write(err)
    return int(code)


if __name__ == "__main__":
    sys.exit(main())
