"""A real browser on pages of other sites: nothing that they try reaches a route or tells them anything."""

from __future__ import annotations

import asyncio
import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from omlx_cli.contract import routes
from tests.api.serving import Served, serving
from tests.top import chromium

SITE = "evil.example"
CHAT = json.dumps({"model": "sky", "messages": [{"role": "user", "content": "hi"}]})
UNLOAD = json.dumps({"model": "sky"})


class Blank(BaseHTTPRequestHandler):
    """A site with one empty page."""

    def do_GET(self) -> None:
        self.send_response(200)
        self.send_header("content-type", "text/html")
        self.end_headers()
        self.wfile.write(b"<!doctype html><title>another site</title><body>here")

    def log_message(self, format: str, *arguments: object) -> None:
        pass


@pytest.fixture
def site() -> Iterator[int]:
    """Return the port of another site."""
    with ThreadingHTTPServer(("127.0.0.1", 0), Blank) as server:
        thread = threading.Thread(target=server.serve_forever, daemon=True)
        thread.start()
        yield server.server_port
        server.shutdown()
        thread.join()


def tries(url: str) -> dict[str, str]:
    """Return scripts by what they try; each gives what the page learned, or that it learned nothing."""
    ways = {
        "a plain read": f"fetch('{url}{routes.OPENAI_MODELS}')",
        "a blind read": f"fetch('{url}{routes.STATUS}', {{mode: 'no-cors'}})",
        "a JSON post": f"fetch('{url}{routes.CHAT_COMPLETIONS}', {{method: 'POST', body: {CHAT!r},"
        " headers: {'content-type': 'application/json'}})",
        "a text post": f"fetch('{url}{routes.CHAT_COMPLETIONS}', {{method: 'POST', body: {CHAT!r}}})",
        "a blind post": f"fetch('{url}{routes.UNLOAD}', {{method: 'POST', body: {UNLOAD!r}, mode: 'no-cors'}})",
        "a beacon": f"Promise.resolve(navigator.sendBeacon('{url}{routes.SHUTDOWN}', '{{}}')).then(() => ({{}}))",
        "an empty post": f"fetch('{url}{routes.SHUTDOWN}', {{method: 'POST', mode: 'no-cors'}})",
        "a delete": f"fetch('{url}{routes.REQUESTS}/req_a', {{method: 'DELETE'}})",
    }
    told = "async r => r.text ? r.type + ' ' + r.status + ' ' + await r.text() : 'sent'"
    return {what: f"{call}.then({told}, e => 'refused')" for what, call in ways.items()}


async def learned(program: str, folder: Path, address: str, url: str) -> dict[str, Any]:
    """Return what a page at `address` learned by each of its tries on `url`."""
    async with chromium.page(program, folder, f"--host-resolver-rules=MAP {SITE} 127.0.0.1") as page:
        await page.call("Page.navigate", url=address)
        await page.until("document.readyState == 'complete' && location.protocol == 'http:'")
        found = {what: await page.evaluate(script) for what, script in tries(url).items()}
        form = f"const f = document.createElement('form'); f.method = 'post'; f.action = '{url}{routes.SHUTDOWN}';"
        await page.evaluate(f"(() => {{ {form} document.body.append(f); f.submit(); }})()")
        await page.until(f"location.pathname == '{routes.SHUTDOWN}' && document.readyState == 'complete'")
        return {**found, "a form": await page.evaluate("document.body.innerText")}


@pytest.fixture
def app(socket_folder: Path) -> Iterator[Served]:
    """Return an app of its own, so that its counts are this test's."""
    with serving(socket_folder / "pages") as served:
        yield served


def untouched(app: Served) -> bool:
    return not (app.inference.requests or app.slots.calls or app.live.cancelled or app.daemon.stopping)


@pytest.mark.parametrize("host", [SITE, "localhost", "127.0.0.1"])
def test_a_page_of_another_origin_does_and_learns_nothing(app: Served, site: int, tmp_path: Path, host: str) -> None:
    program = chromium.found()
    if program is None:
        pytest.skip("there is no Chromium on this machine")
    found = asyncio.run(learned(program, tmp_path / "profile", f"http://{host}:{site}/", app.url))
    assert untouched(app)
    form = found.pop("a form")
    assert "not allowed" in form or "application/json" in form or "closed over TCP" in form
    assert found.pop("a beacon") == "sent"
    assert {found.pop(what) for what in ("a blind read", "a blind post", "an empty post")} == {"opaque 0 "}
    assert set(found.values()) == {"refused"}, found


def test_a_name_that_turns_to_this_machine_does_and_learns_nothing(app: Served, tmp_path: Path) -> None:
    program = chromium.found()
    if program is None:
        pytest.skip("there is no Chromium on this machine")
    own = f"http://{SITE}:{app.port}"
    found = asyncio.run(learned(program, tmp_path / "profile", f"{own}/health", own))
    assert untouched(app)
    found.pop("a beacon")
    for what, text in found.items():
        assert "host name is not allowed" in text, (what, text)
        assert "sky" not in text
