"""A small model hub on a local port: what the real huggingface_hub client asks of one, with faults on demand."""

from __future__ import annotations

import hashlib
import json
import re
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit

COMMIT = "0123456789abcdef0123456789abcdef01234567"
LARGE = (".safetensors", ".bin", ".gguf")


@dataclass
class Hub:
    """Repositories by id, each a mapping of file names to contents, and the faults to play."""

    repositories: dict[str, dict[str, bytes]] = field(default_factory=dict)
    gated: set[str] = field(default_factory=set)
    commit: str = COMMIT
    cut_after_bytes: list[int] = field(default_factory=list)
    """For each of the next downloads of a large file: how many bytes are sent before the connection ends."""
    gate: threading.Event | None = None
    """Where set, a large file stops half-way until the event is set."""
    half_sent: threading.Event = field(default_factory=threading.Event)
    lie: dict[str, bytes] = field(default_factory=dict)
    """Contents sent in place of the listed ones."""
    downloads: list[tuple[str, str]] = field(default_factory=list)
    """(file, Range header) of every download of a large file."""
    url: str = ""

    def files(self, hub_id: str) -> dict[str, bytes]:
        return self.repositories[hub_id]

    @contextmanager
    def serving(self) -> Iterator[Hub]:
        """Serve on a free port while the body runs."""
        handler = type("Handler", (_Handler,), {"hub": self})
        with ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
            server.daemon_threads = True
            thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
            thread.start()
            self.url = f"http://127.0.0.1:{server.server_address[1]}"
            try:
                yield self
            finally:
                if self.gate is not None:
                    self.gate.set()
                server.shutdown()
                thread.join()


class _Handler(BaseHTTPRequestHandler):
    hub: Hub
    protocol_version = "HTTP/1.1"

    def do_HEAD(self) -> None:
        self._answer()

    def do_GET(self) -> None:
        self._answer()

    def _answer(self) -> None:
        path = unquote(urlsplit(self.path).path)
        info = re.fullmatch(r"/api/models/([^/]+/[^/]+)(?:/revision/[^/]+)?", path)
        tree = re.fullmatch(r"/api/models/([^/]+/[^/]+)/tree/[^/]+", path)
        file = re.fullmatch(r"/([^/]+/[^/]+)/resolve/[^/]+/(.+)", path)
        match = info or tree or file
        if match is None or match[1] not in self.hub.repositories:
            self._refuse(404, "RepoNotFound")
        elif file:
            self._file(file[1], file[2])
        else:
            self._json(self._info(match[1]) if info else self._tree(match[1]))

    def _info(self, hub_id: str) -> dict[str, Any]:
        siblings = [
            {"rfilename": entry["path"], "size": entry["size"], "blobId": entry["oid"]}
            | (
                {"lfs": {"sha256": entry["lfs"]["oid"], "size": entry["size"], "pointerSize": 1}}
                if "lfs" in entry
                else {}
            )
            for entry in self._tree(hub_id)
        ]
        return {"_id": "1", "id": hub_id, "sha": self.hub.commit, "siblings": siblings, "tags": [], "private": False}

    def _tree(self, hub_id: str) -> list[dict[str, Any]]:
        entries = []
        for name, content in self.hub.files(hub_id).items():
            entry: dict[str, Any] = {"type": "file", "path": name, "size": len(content), "oid": _oid(content)}
            if name.endswith(LARGE):
                entry["lfs"] = {"oid": hashlib.sha256(content).hexdigest(), "size": len(content), "pointerSize": 1}
            entries.append(entry)
        return entries

    def _file(self, hub_id: str, name: str) -> None:
        content = self.hub.files(hub_id).get(name)
        if hub_id in self.hub.gated:
            self._refuse(401, "GatedRepo")
        elif content is None:
            self._refuse(404, "EntryNotFound")
        else:
            self._send(name, content)

    def _send(self, name: str, content: bytes) -> None:
        etag = hashlib.sha256(content).hexdigest() if name.endswith(LARGE) else _oid(content)
        content = self.hub.lie.get(name, content)
        ranged = re.fullmatch(r"bytes=(\d+)-", self.headers.get("Range", ""))
        start = int(ranged[1]) if ranged else 0
        self.send_response(206 if start else 200)
        if start:
            self.send_header("Content-Range", f"bytes {start}-{len(content) - 1}/{len(content)}")
        self.send_header("Content-Length", str(len(content) - start))
        self.send_header("Accept-Ranges", "bytes")
        self.send_header("ETag", f'"{etag}"')
        self.send_header("X-Repo-Commit", self.hub.commit)
        self.end_headers()
        if self.command == "GET":
            self._body(name, content[start:])

    def _body(self, name: str, content: bytes) -> None:
        if not name.endswith(LARGE):
            self.wfile.write(content)
            return
        self.hub.downloads.append((name, self.headers.get("Range", "")))
        if self.hub.cut_after_bytes:
            self.wfile.write(content[: self.hub.cut_after_bytes.pop(0)])
            self.close_connection = True
            return
        half = len(content) // 2 if self.hub.gate else 0
        self.wfile.write(content[:half])
        self.wfile.flush()
        if self.hub.gate:
            self.hub.half_sent.set()
            self.hub.gate.wait(60)
        try:
            self.wfile.write(content[half:])
        except ConnectionError:
            self.close_connection = True

    def _json(self, document: object) -> None:
        body = json.dumps(document).encode()
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def _refuse(self, status: int, code: str) -> None:
        self.send_response(status)
        self.send_header("X-Error-Code", code)
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, format: str, *args: object) -> None:
        """Stay silent."""


def _oid(content: bytes) -> str:
    return hashlib.sha1(b"blob %d\0" % len(content) + content).hexdigest()


def repository_of(folder: Path) -> dict[str, bytes]:
    """Return the files of a folder as a repository's contents."""
    return {path.name: path.read_bytes() for path in sorted(folder.iterdir()) if path.is_file()}
