"""The dashboard in a browser: who may see it, and that a real one does."""

from __future__ import annotations

import asyncio
import http.client
import subprocess
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from tests.e2e.conftest import Home, make_home
from tests.top import chromium
from tests.waiting import wait_until

TELLS_WHERE = b"open the address that omlx top --serve has printed"


@pytest.fixture
def served(tmp_path: Path) -> Iterator[tuple[Home, str]]:
    """Return a home with a running daemon, and the address of its dashboard."""
    home = make_home(tmp_path, None)
    assert home.run("start").returncode == 0
    process = home.popen("top", "--serve")
    assert process.stdout is not None
    try:
        yield home, process.stdout.readline().strip()
    finally:
        process.terminate()
        out, errors = process.communicate(timeout=60)
        home.stop()
    assert (process.returncode, out, errors) == (0, "", "")


def ask(url: str, path: str, **headers: str) -> tuple[int, dict[str, str], bytes]:
    parts = urlsplit(url)
    connection = http.client.HTTPConnection(str(parts.hostname), parts.port, timeout=60)
    try:
        connection.request("GET", path, headers=headers)
        reply = connection.getresponse()
        return reply.status, {name.lower(): value for name, value in reply.getheaders()}, reply.read()
    finally:
        connection.close()


def test_only_who_has_the_token_sees_it(served: tuple[Home, str]) -> None:
    url = served[1]
    parts = urlsplit(url)
    with_token = f"/?{parts.query}"
    for path in ("/", "/?token=guess", "/ws", "/static/js/textual.js", "/static/"):
        status, _, body = ask(url, path)
        assert (status, TELLS_WHERE in body) == (403, True), path
    status, headers, _ = ask(url, with_token)
    assert (status, headers["location"]) == (303, "/")
    cookie = headers["set-cookie"]
    assert "HttpOnly" in cookie
    assert "SameSite=Strict" in cookie
    status, headers, body = ask(url, "/", Cookie=cookie.partition(";")[0])
    assert status == 200
    assert parts.query.partition("=")[2].encode() not in body
    assert "frame-ancestors 'none'" in headers["content-security-policy"]
    assert b"//" not in body.replace(f"ws://{parts.netloc}/ws".encode(), b"")
    assert ask(url, "/static/js/textual.js", Cookie=cookie.partition(";")[0])[0] == 200


def test_other_hosts_and_other_pages_are_refused_whatever_they_have(served: tuple[Home, str]) -> None:
    url = served[1]
    with_token = f"/?{urlsplit(url).query}"
    cookie = ask(url, with_token)[1]["set-cookie"].partition(";")[0]
    assert ask(url, with_token, Host="evil.example")[0] == 403
    assert ask(url, "/ws", Cookie=cookie, Origin="http://evil.example")[0] == 403
    assert ask(url, "/ws", Cookie=cookie, Origin="null")[0] == 403


def test_a_taken_port_is_one_line(served: tuple[Home, str]) -> None:
    home, url = served
    done = home.run("top", "--serve", "--port", str(urlsplit(url).port))
    assert done.returncode == 1
    assert done.stderr.startswith(f"error: port {urlsplit(url).port} is not to be had")


def test_a_real_browser_shows_it_and_its_keys_work(served: tuple[Home, str], tmp_path: Path) -> None:
    program = chromium.found()
    if program is None:
        pytest.skip("there is no Chromium on this machine")
    home, url = served

    async def look() -> None:
        async with chromium.page(program, tmp_path / "profile") as page:
            await page.call("Page.navigate", url=url)
            await page.until("document.body && document.body.classList.contains('-first-byte')")
            assert await page.evaluate("location.pathname + location.search") == "/"
            await page.receive("● live", "no model is in memory", str(home.info()["pid"]))
            await page.until("document.activeElement.tagName == 'TEXTAREA'")
            await page.press("m")
            await page.receive("yellow from 80 %")
            picture = await page.screenshot()
            assert picture.startswith(b"\x89PNG")
            assert processes_of(home) == 1
            await page.press("q")
            await page.press("q")
            await page.until("document.body.classList.contains('-closed')")

    asyncio.run(look())
    wait_until(lambda: processes_of(home) == 0)


def processes_of(home: Home) -> int:
    """Return how many dashboards of this home run."""
    listed = subprocess.run(["ps", "-eo", "pid,args"], capture_output=True, text=True, check=True).stdout
    found = [line.split()[0] for line in listed.splitlines() if line.rstrip().endswith("-I -m omlx_cli.top")]
    wanted = f"OMLX_HOME={home.path}".encode()
    return sum(wanted in _environment(pid) and b"/sh" not in _program(pid) for pid in found)


def _environment(pid: str) -> bytes:
    try:
        return Path(f"/proc/{pid}/environ").read_bytes()
    except OSError:
        return b""


def _program(pid: str) -> bytes:
    try:
        return Path(f"/proc/{pid}/cmdline").read_bytes().split(b"\0")[0]
    except OSError:
        return b""
