"""Who may follow the events: the owner, over the unix socket or with the API key."""

from __future__ import annotations

from pathlib import Path

from omlx_cli.contract import routes
from omlx_cli.contract.settings import ServerSettings
from tests.api.conftest import socket_folder as socket_folder
from tests.api.serving import serving
from tests.live.conftest import Follower


def test_nobody_over_tcp_without_the_key(socket_folder: Path) -> None:
    with serving(socket_folder / "one") as app:
        assert app.ask("GET", routes.EVENTS).status == 403
    with serving(socket_folder / "two", ServerSettings(api_key="secret")) as app:
        assert app.ask("GET", routes.EVENTS).status == 401
        assert app.ask("GET", routes.EVENTS, headers={"authorization": "Bearer no"}).status == 401
        connection = app.connect()
        connection.request("GET", routes.EVENTS, headers={"authorization": "Bearer secret"})
        response = connection.getresponse()
        assert response.status == 200
        assert response.headers["content-type"] == routes.STREAM_TYPE
        assert response.readline().startswith(b'{"type":"snapshot"')
        connection.close()


def test_everybody_on_the_unix_socket(socket_folder: Path) -> None:
    with serving(socket_folder / "one") as app:
        connection = app.connect_unix()
        assert Follower(connection).now.requests
        connection.close()
