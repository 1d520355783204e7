"""The `omlx` command. `omlx ps` goes straight to the daemon's socket; everything else through click.

The straight way imports nothing that the interpreter has not loaded already but `_socket`, because people
put `omlx ps` into prompts and status bars. Whatever surprises it falls through to the ordinary way.
"""

from __future__ import annotations

import _socket
import os
import sys

from omlx_cli import __version__
from omlx_cli.contract import sockets

_REQUEST = b"GET /omlx/v1/ps HTTP/1.1\r\nHost: omlx\r\nAccept: text/plain\r\nConnection: close\r\n\r\n"
_TIMEOUT_S = 10.0


def main() -> None:
    """Run `omlx` with the process's arguments, and end the process."""
    leave(run(sys.argv[1:]))


def run(arguments: list[str]) -> int:
    """Run `omlx` with `arguments` and return its exit code; nothing is raised."""
    if arguments == ["ps"]:
        code = _ps()
        if code is not None:
            return code
    import gc

    # The imports make nothing but objects that stay; collecting among them would cost a tenth of the start.
    gc.set_threshold(50_000)
    from omlx_cli.cli import main as ordinary

    return ordinary(arguments)


def leave(code: int) -> None:
    """End the process without taking the interpreter apart first, which would cost a fifth of a light command."""
    for stream in (sys.stdout, sys.stderr):
        try:
            stream.flush()
        except (OSError, ValueError, AttributeError):
            code = code or 1
    os._exit(code)


def _ps() -> int | None:
    """Print the daemon's own table; None where the ordinary way must take over."""
    try:
        home = sockets.home()
        table = None if _other_version(home) else _ask(sockets.socket_path(home))
        return None if table is None else _print(table)
    except KeyboardInterrupt:
        return 130


def _other_version(home: str) -> bool:
    """Tell whether the daemon says of itself that it is not of this version."""
    try:
        file = os.open(os.path.join(home, "run", "daemon.json"), os.O_RDONLY | os.O_NONBLOCK)
    except OSError:
        return False
    try:
        return f'"version":"{__version__}"'.encode() not in os.read(file, 65536).replace(b" ", b"")
    except OSError:
        return True
    finally:
        os.close(file)


def _ask(path: str) -> bytes | None:
    """Return the text the daemon answers with; None where nobody answers, or not as expected."""
    connection = _socket.socket(_socket.AF_UNIX, _socket.SOCK_STREAM)
    try:
        connection.settimeout(_TIMEOUT_S)
        connection.connect(path)
        connection.sendall(_REQUEST)
        answer = b""
        while part := connection.recv(65536):
            answer += part
    except OSError:
        return None
    finally:
        connection.close()
    return _body(answer)


def _body(answer: bytes) -> bytes | None:
    head, _, body = answer.partition(b"\r\n\r\n")
    head = head.lower() + b"\r\n"
    whole = b"\r\ncontent-length: %d\r\n" % len(body) in head
    return body if whole and b"\r\ncontent-type: text/plain" in head and head[8:13] == b" 200 " else None


def _print(text: bytes) -> int:
    """Write to stdout past every buffer; return the exit code."""
    try:
        while text:
            text = text[os.write(1, text) :]
    except BrokenPipeError:
        return 141
    return 0


if __name__ == "__main__":
    main()
